import { join } from "node:path";
import scanner from "lightning-flow-scanner-core";
import { actionsOf } from "./actions.mjs";
import { child, childrenOf, textOf } from "./xml.mjs";

// A flow's mistakes show when it is activated, or when it runs. The scanner knows what is bad style in any flow; what it
// cannot know is whether the names in it exist.

const ELEMENTS = ["actionCalls", "assignments", "decisions", "loops", "recordCreates", "recordDeletes", "recordLookups", "recordUpdates", "screens", "subflows"];
const RESOURCES = ["choices", "constants", "formulas", "textTemplates", "variables"];

// A deploy must not begin to bill: what starts by itself arrives switched off.
const EXCEPTIONS = (flows) => Object.fromEntries(flows.filter(startsByItself).map((f) => [f.name, { InactiveFlow: ["Draft"] }]));

export async function checkFlows(project) {
  const faults = [];
  const flows = project.components.filter((c) => c.xml.name === "Flow");
  const parsed = await scanner.parse(flows.map((f) => join(project.root, "force-app/main/default", f.path)));
  for (const { errorMessage, uri, flow } of parsed) {
    if (errorMessage) faults.push(`${uri}: ${errorMessage}`);
    // The scanner walks from the start's own connector; a flow with nothing but an asynchronous path would pass unread.
    else flow.startReference ||= [flow.start?.scheduledPaths].flat()[0]?.connector?.targetReference;
  }
  for (const { flow, ruleResults } of scanner.scan(parsed, { exceptions: EXCEPTIONS(flows) })) {
    for (const { occurs, ruleName, details } of ruleResults) {
      if (occurs) faults.push(`flows/${flow.name}: ${ruleName}: ${details.map((d) => d.name).join(", ")}`);
    }
  }
  const actions = actionsOf(project);
  for (const flow of flows) checkNames(flow, project, actions, (message) => faults.push(`${flow.path}: ${message}`));
  const buttons = project.components.filter((c) => c.xml.name === "QuickAction");
  for (const { path, xml } of buttons) {
    const flow = flows.find((f) => f.name === textOf(xml, "flowDefinition"));
    const given = flow && childrenOf(flow.xml, "variables").find((v) => textOf(v, "name") === "recordId");
    if (!flow || textOf(flow.xml, "processType") !== "Flow") faults.push(`${path}: there is no screen flow ${textOf(xml, "flowDefinition")}`);
    // A record's page hands its id to an input of this name.
    else if (!given || textOf(given, "isInput") !== "true") faults.push(`${path}: ${flow.name} does not take recordId`);
  }
  return { faults, checked: `${flows.length} flows, ${buttons.length} buttons` };
}

const startsByItself = ({ xml }) => child(xml, "start") && child(child(xml, "start"), "triggerType") !== undefined;

function checkNames(flow, project, actions, fault) {
  const { xml } = flow;
  if (startsByItself(flow) && textOf(xml, "status") !== "Draft") fault("starts by itself and is not a draft");
  const elements = new Map(ELEMENTS.flatMap((kind) => childrenOf(xml, kind)).map((e) => [textOf(e, "name"), e]));
  const inputs = descendants(xml).filter((e) => e.name === "fields").map((e) => textOf(e, "name"));
  const resources = new Map(RESOURCES.flatMap((kind) => childrenOf(xml, kind)).map((e) => [textOf(e, "name"), e]));

  for (const { text } of descendants(xml).filter((e) => e.name === "targetReference")) if (!elements.has(text)) fault(`goes to ${text}, which does not exist`);
  for (const path of child(xml, "start") ? childrenOf(child(xml, "start"), "scheduledPaths") : []) {
    // A deploy refuses it: "Label … cannot be set for ScheduledPath of PathType".
    if (textOf(path, "pathType") === "AsyncAfterCommit" && child(path, "label")) fault("the asynchronous path has a label");
  }
  const refer = (reference) => {
    const [first, member] = reference.split(".");
    if (first.startsWith("$") || resources.has(first) || inputs.includes(first)) return;
    const element = elements.get(first);
    if (!element) fault(`refers to ${reference}, which does not exist`);
    else if (element.name === "actionCalls" && member && !actions.get(textOf(element, "actionName"))?.outputs.has(member)) fault(`${textOf(element, "actionName")} has no output ${member}`);
    else if (element.name === "recordLookups" && member && !childrenOf(element, "queriedFields").some((f) => f.text === member)) fault(`${first} does not read ${member}`);
  };
  for (const e of descendants(xml)) {
    if (["elementReference", "leftValueReference", "assignToReference"].includes(e.name)) refer(e.text);
    // In texts and formulas: {!name}.
    for (const [, reference] of e.children.length === 0 ? e.text.matchAll(/\{!([\w$.]+)\}/g) : []) refer(reference);
  }
  for (const call of childrenOf(xml, "actionCalls")) checkCall(call, actions, fault);
  for (const kind of ["recordLookups", "recordCreates", "recordUpdates"]) for (const e of childrenOf(xml, kind)) checkFields(e, project, fault);
}

function checkCall(call, actions, fault) {
  const name = textOf(call, "actionName");
  const action = actions.get(name);
  if (textOf(call, "actionType") !== "apex") return;
  if (!action) return void fault(`there is no action ${name}`);
  const given = childrenOf(call, "inputParameters").map((p) => textOf(p, "name"));
  for (const input of given) if (!action.inputs.has(input)) fault(`${name} has no input ${input}`);
  for (const [input, { required }] of action.inputs) if (required && !given.includes(input)) fault(`${name} needs ${input}`);
}

/** Fields of the project's own objects. */
function checkFields(element, { objects, fields }, fault) {
  const object = textOf(element, "object");
  if (!objects.some((o) => o.name === object)) {
    if (object?.endsWith("__c")) fault(`${textOf(element, "name")}: there is no object ${object}`);
    return;
  }
  const named = [...childrenOf(element, "filters").map((f) => textOf(f, "field")), ...childrenOf(element, "inputAssignments").map((f) => textOf(f, "field")), ...childrenOf(element, "queriedFields").map((f) => f.text)];
  for (const field of named) if (field.endsWith("__c") && !fields.some((f) => f.object === object && f.name === field)) fault(`${object} has no field ${field}`);
  for (const filter of childrenOf(element, "filters")) {
    const field = fields.find((f) => f.object === object && f.name === textOf(filter, "field"));
    const value = textOf(child(filter, "value"), "stringValue");
    if (!field || value === undefined || textOf(field.xml, "type") !== "Picklist") continue;
    const values = descendants(field.xml).filter((e) => e.name === "value").map((v) => textOf(v, "fullName"));
    if (!values.includes(value)) fault(`${object}.${field.name} is never "${value}"`);
  }
}

function descendants(element) {
  return element.children.flatMap((c) => [c, ...descendants(c)]);
}
