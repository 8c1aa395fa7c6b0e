import { textOf } from "./xml.mjs";

// What every Stripe object has, so that one mapping, one report type and one Flow pattern fit all of them.
const COMMON = {
  Stripe_Id__c: { type: "Text", length: "255", externalId: "true", unique: "true", caseSensitive: "true", required: "true" },
  Status__c: { type: "Picklist", required: "false" },
  Stripe_Status__c: { type: "Text", length: "40" },
  Currency__c: { type: "Text", length: "3" },
  Livemode__c: { type: "Checkbox", defaultValue: "false" },
  Stripe_Account__c: { type: "Text", length: "255" },
  Stripe_Created__c: { type: "DateTime" },
  Last_Event_Id__c: { type: "Text", length: "255" },
  Last_Event_At__c: { type: "DateTime" },
};

// Numbers that are not amounts: rates and counts.
const NOT_AMOUNTS = ["Exchange_Rate__c", "Quantity__c", "Attempt_Count__c", "Interval_Count__c"];

export function checkModel({ objects, fields }) {
  const faults = [];
  for (const { path, name } of objects) {
    for (const [field, expected] of Object.entries(COMMON)) {
      const found = fields.find((f) => f.object === name && f.name === field);
      if (!found) faults.push(`${path}: ${field} is missing`);
      else expect(found, expected, faults);
    }
  }
  for (const field of fields) {
    const isAmount = textOf(field.xml, "type") === "Number" && !NOT_AMOUNTS.includes(field.name);
    if (isAmount) expect(field, { precision: "18", scale: "3" }, faults);
  }
  const product = fields.find((f) => f.object === "Product2" && f.name === "Stripe_Id__c");
  if (product) expect(product, { ...COMMON.Stripe_Id__c, required: "false" }, faults);
  else faults.push("Product2 has no Stripe_Id__c");
  return { faults, checked: `${Object.keys(COMMON).length} common fields on ${objects.length} objects` };
}

function expect({ path, xml }, expected, faults) {
  for (const [element, value] of Object.entries(expected)) {
    if (textOf(xml, element) !== value) faults.push(`${path}: <${element}> is ${textOf(xml, element)}, expected ${value}`);
  }
}
