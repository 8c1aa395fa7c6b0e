import { child, childrenOf, textOf } from "./xml.mjs";

// How records are shown: list views, compact layouts, page layouts, tabs, the app, reports. A deploy refuses a field that
// does not exist; a field that nobody can see is worse, because nothing refuses it.

const STANDARD_COLUMNS = ["NAME", "CREATED_DATE", "LAST_UPDATE"];
const STANDARD_REPORT_COLUMNS = ["CUST_NAME", "CUST_CREATED_DATE"];
const SYSTEM_FIELDS = ["Name", "CreatedById", "LastModifiedById", "OwnerId"];

export function checkPresentation(project) {
  const faults = [];
  const shown = project.components.filter((c) => CHECKS[c.xml.name]);
  for (const component of shown) {
    CHECKS[component.xml.name](component, project, (message) => faults.push(`${component.path}: ${message}`));
  }
  for (const { name } of project.objects) {
    for (const [kind, has] of Object.entries(EVERY_OBJECT_HAS)) {
      if (!shown.some((c) => c.xml.name === kind && has(c, name))) faults.push(`${name} has no ${kind}`);
    }
  }
  return { faults, checked: `${shown.length} list views, layouts, tabs, reports` };
}

const EVERY_OBJECT_HAS = {
  ListView: (c, object) => c.object === object && c.name === "All",
  CompactLayout: (c, object) => c.object === object,
  Layout: (c, object) => c.name.startsWith(`${object}-`),
  CustomTab: (c, object) => c.name === object,
  CustomApplication: (c, object) => childrenOf(c.xml, "tabs").some((t) => t.text === object),
};

const CHECKS = {
  ListView({ object, name, xml }, project, fault) {
    if (textOf(xml, "fullName") !== name) fault(`fullName is ${textOf(xml, "fullName")}`);
    const columns = childrenOf(xml, "columns").map((c) => c.text);
    for (const column of columns) if (!STANDARD_COLUMNS.includes(column)) expectField(project, object, column, fault);
    if (columns.length > 15) fault(`${columns.length} columns, a list view takes 15`);
    for (const filter of childrenOf(xml, "filters")) expectFilter(project, object, textOf(filter, "field"), filter, fault);
  },

  CompactLayout({ object, name, xml }, project, fault) {
    if (textOf(xml, "fullName") !== name) fault(`fullName is ${textOf(xml, "fullName")}`);
    for (const { text } of childrenOf(xml, "fields")) if (text !== "Name") expectField(project, object, text, fault);
    const assigned = textOf(project.objects.find((o) => o.name === object).xml, "compactLayoutAssignment");
    if (assigned !== name) fault(`the object shows ${assigned}`);
  },

  Layout({ name, xml }, project, fault) {
    const [object, label] = [name.slice(0, name.indexOf("-")), name.slice(name.indexOf("-") + 1)];
    const owner = project.objects.find((o) => o.name === object);
    if (!owner) return fault(`${object} is not an object of this project`);
    // Every profile gets this one, because an object's first layout has that name.
    if (label !== `${textOf(owner.xml, "label")} Layout`) fault(`the layout that an org shows is called ${textOf(owner.xml, "label")} Layout`);
    const items = childrenOf(xml, "layoutSections").flatMap((s) => childrenOf(s, "layoutColumns")).flatMap((c) => childrenOf(c, "layoutItems"));
    const names = items.map((item) => textOf(item, "field"));
    const fields = project.fields.filter((f) => f.object === object);
    for (const [i, field] of names.entries()) {
      if (names.indexOf(field) !== i) fault(`${field} is shown twice`);
      else if (!SYSTEM_FIELDS.includes(field)) expectField(project, object, field, fault);
    }
    for (const field of fields) {
      const item = items[names.indexOf(field.name)];
      const required = textOf(field.xml, "required") === "true";
      if (!item) fault(`${field.name} is not shown`);
      else if (required !== (textOf(item, "behavior") === "Required")) fault(`${field.name} is ${required ? "" : "not "}a required field`);
    }
    for (const related of childrenOf(xml, "relatedLists")) {
      const [from, lookup] = textOf(related, "relatedList").split(".");
      const found = expectField(project, from, lookup, fault);
      if (found && textOf(found.xml, "referenceTo") !== object) fault(`${from}.${lookup} does not point to ${object}`);
      for (const { text } of childrenOf(related, "fields")) if (!STANDARD_COLUMNS.includes(text)) expectField(project, from, text, fault);
    }
    return undefined;
  },

  CustomTab({ name }, project, fault) {
    if (!project.objects.some((o) => o.name === name)) fault(`${name} is not an object of this project`);
  },

  CustomApplication({ xml }, project, fault) {
    for (const { text } of childrenOf(xml, "tabs")) {
      const known = text.startsWith("standard-") || project.components.some((c) => c.xml.name === "CustomTab" && c.name === text);
      if (!known) fault(`there is no tab ${text}`);
    }
  },

  Report({ xml }, project, fault) {
    const type = textOf(xml, "reportType");
    const object = /^CustomEntity\$(\w+)$/.exec(type)?.[1];
    if (!project.objects.some((o) => o.name === object)) return fault(`there is no report type ${type}`);
    const expectColumn = (column) => {
      if (STANDARD_REPORT_COLUMNS.includes(column)) return;
      const [on, field] = column.split(".");
      if (on !== object) fault(`${column} is not of ${object}`);
      else expectField(project, object, field, fault);
    };
    for (const part of ["columns", "groupingsDown"]) for (const c of childrenOf(xml, part)) expectColumn(textOf(c, "field"));
    for (const item of child(xml, "filter") ? childrenOf(child(xml, "filter"), "criteriaItems") : []) {
      expectColumn(textOf(item, "column"));
      expectFilter(project, object, textOf(item, "column").split(".")[1], item, fault);
    }
    const grouped = childrenOf(xml, "groupingsDown").length > 0;
    if (grouped !== (textOf(xml, "format") === "Summary")) fault(`the format is ${textOf(xml, "format")}, but it is ${grouped ? "" : "not "}grouped`);
    return undefined;
  },
};

function expectField(project, object, name, fault) {
  const field = project.fields.find((f) => f.object === object && f.name === name);
  if (!field) fault(`${object} has no field ${name}`);
  return field;
}

/** A picklist is compared with its values; several are separated by commas. */
function expectFilter(project, object, name, filter, fault) {
  const field = expectField(project, object, name, fault);
  if (!field || textOf(field.xml, "type") !== "Picklist") return;
  const values = childrenOf(child(child(field.xml, "valueSet"), "valueSetDefinition"), "value").map((v) => textOf(v, "fullName"));
  for (const value of (textOf(filter, "value") ?? "").split(",")) if (!values.includes(value)) fault(`${name} is never "${value}"`);
}
