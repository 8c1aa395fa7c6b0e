import { classesOf } from "./apex_classes.mjs";
import { parseApex } from "./apex_tree.mjs";

/**
 * The actions that a Flow finds, by the name of their class: `{ inputs, outputs, method }`; inputs and outputs are fields by
 * name, `{ label, description, required }`. Outputs are undefined when the class of the results is not ours.
 */
export function actionsOf({ sources }) {
  const classes = new Map(sources.filter((s) => s.path.endsWith(".cls")).flatMap((s) => [...classesOf(parseApex(s).tree)]));
  const actions = new Map();
  for (const declared of classes.values()) {
    const methods = [...declared.methods.values()].filter((m) => /@invocablemethod/.test(m.modifiers));
    if (methods.length === 0) continue;
    const elements = (type) => classes.get(`${declared.name}.${elementOf(type)}`.toLowerCase()) ?? classes.get(elementOf(type)?.toLowerCase());
    actions.set(declared.name, { methods, inputs: variablesOf(elements(methods[0].parameters?.[0]?.type)), outputs: variablesOf(elements(methods[0].type)) });
  }
  return actions;
}

/** Each action can be found and understood in Flow Builder, takes a list and returns one. */
export function checkActions(project) {
  const faults = [];
  const actions = actionsOf(project);
  for (const [name, { methods, inputs, outputs }] of actions) {
    const fault = (message) => faults.push(`${name}: ${message}`);
    if (methods.length > 1) fault("has several invocable methods, a class has one");
    const [{ modifiers, parameters, type }] = methods;
    for (const part of ["label", "description", "category"]) if (!attribute(modifiers, part)) fault(`the method has no ${part}`);
    // Without it, a screen flow does not commit before it, and the callout is refused.
    if (!/callout=true/.test(modifiers)) fault("the method does not say callout=true");
    if (!elementOf(type) || parameters.length !== 1 || !elementOf(parameters[0].type)) fault("takes and returns one list");
    for (const [kind, variables] of [["input", inputs], ["output", outputs]]) {
      if (variables.size === 0) fault(`has no ${kind}`);
      for (const [field, { label, description }] of variables) {
        if (!label || !description) fault(`the ${kind} ${field} has no label or description`);
        if (description?.length > 255 || label?.length > 80) fault(`the ${kind} ${field} says too much`);
      }
    }
  }
  return { faults, checked: [...actions.keys()].join(", ").replace(/Paybridge/g, "") };
}

function variablesOf(declared) {
  const fields = [...(declared?.fields.values() ?? [])].filter((f) => /@invocablevariable/.test(f.modifiers));
  return new Map(
    fields.map((f) => [f.name, { label: attribute(f.modifiers, "label"), description: attribute(f.modifiers, "description"), required: /required=true/.test(f.modifiers) }]),
  );
}

const attribute = (modifiers, name) => new RegExp(`\\b${name}\\s*=\\s*'((?:[^'\\\\]|\\\\.)*)'`).exec(modifiers)?.[1];

const elementOf = (type) => /^List<(\w+)>$/i.exec(type ?? "")?.[1];
