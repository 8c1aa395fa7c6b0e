// Each check must find the fault it is there for: damages a copy of the project and expects to be told.
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkAll } from "./all.mjs";

const APEX = fileURLToPath(new URL("..", import.meta.url));
const MAIN = "force-app/main/default";
const CHARGE = `${MAIN}/objects/Stripe_Charge__c`;
const INTEGRATION = `${MAIN}/permissionsets/Paybridge_Integration.permissionset-meta.xml`;
const VIEWER = `${MAIN}/permissionsets/Paybridge_Viewer.permissionset-meta.xml`;
const listView = (name, object = "Stripe_Charge__c") => `${MAIN}/objects/${object}/listViews/${name}.listView-meta.xml`;
const LAYOUT = `${MAIN}/layouts/Stripe_Charge__c-Stripe Charge Layout.layout-meta.xml`;
const REPORT = `${MAIN}/reports/Paybridge/Failed_Payments.report-meta.xml`;
const apex = (name) => `${MAIN}/classes/${name}.cls`;
const CREDENTIAL = `${MAIN}/externalCredentials/Paybridge.externalCredential-meta.xml`;
const NAMED = `${MAIN}/namedCredentials/Paybridge.namedCredential-meta.xml`;
const REGISTRATION = `${MAIN}/externalServiceRegistrations/Paybridge.externalServiceRegistration-meta.xml`;
const AGENT = `${MAIN}/permissionsets/Paybridge_Agent.permissionset-meta.xml`;
const FLOW = `${MAIN}/flows/Opportunity_Subscription_When_Won.flow-meta.xml`;
const field = (name, object = "Stripe_Charge__c") => `${MAIN}/objects/${object}/fields/${name}.field-meta.xml`;

// One copy of the project, damaged and mended for each test: copying it takes longer than checking it.
const ROOT = mkdtempSync(join(tmpdir(), "paybridge-apex-"));
for (const part of ["sfdx-project.json", "force-app"]) cpSync(join(APEX, part), join(ROOT, part), { recursive: true });
after(() => rmSync(ROOT, { recursive: true }));
const mends = [];

const write = (path, text) => {
  const file = join(ROOT, path);
  const before = existsSync(file) ? readFileSync(file) : undefined;
  mends.push(() => (before === undefined ? rmSync(file) : writeFileSync(file, before)));
  if (text === undefined) rmSync(file);
  else writeFileSync(file, text);
};
const replace = (path, from, to) => () => {
  const before = readFileSync(join(ROOT, path), "utf8");
  assert.ok(before.includes(from), `${path} has no ${from}`);
  write(path, before.replace(from, () => to));
};
const remove = (path) => () => write(path, undefined);
const rename = (from, to) => () => {
  write(to, readFileSync(join(ROOT, from), "utf8"));
  write(from, undefined);
};
const all = (...damages) => () => damages.forEach((damage) => damage());

const DAMAGES = [
  ["a tag that is not closed", replace(field("Fee__c"), "</label>", ""), /^FAULT files.*\n.*Fee__c.*not well-formed/m],
  ["an ampersand that is not escaped", replace(field("Fee__c"), "What Stripe", "What & Stripe"), /not well-formed/],
  ["another root element", all(
    replace(field("Fee__c"), "<CustomField ", "<CustomFeld "),
    replace(field("Fee__c"), "</CustomField>", "</CustomFeld>"),
  ), /root element is not CustomField/],
  ["a file that is not named after its field", rename(field("Fee__c"), field("Fees__c")), /fullName is Fee__c/],
  ["a misspelt suffix", rename(field("Fee__c"), field("Fee__c").replace("field-meta", "feld-meta")), /nothing that belongs in this folder/],
  ["elements out of order", replace(field("Fee__c"), "<label>Fee</label>\n    <precision>18</precision>", "<precision>18</precision>\n    <label>Fee</label>"), /^FAULT Salesforce's WSDL.*\n.*<label> must stand before <precision>/m],
  ["an element that is missing", replace(field("Fee__c"), "    <scale>3</scale>\n", ""), /has no <scale>/],
  ["an element of another type", replace(field("Fee__c"), "</unique>", "</unique>\n    <visibleLines>3</visibleLines>"), /<visibleLines> is not expected/],
  ["a text that is too long", replace(field("Failure_Code__c"), "<length>255<", "<length>256<"), /<length> is "256"/],
  ["a type that does not exist", replace(field("Fee__c"), "<type>Number<", "<type>Decimal<"), /"Decimal", which is not a FieldType/],
  ["a type that the mapping does not know", replace(field("Fee__c"), "<type>Number<", "<type>Currency<"), /field type Currency/],
  ["history of a field where the object has none", replace(`${CHARGE}/Stripe_Charge__c.object-meta.xml`, "<enableHistory>true<", "<enableHistory>false<"), /^FAULT objects.*\n.*enableHistory is false/m],
  ["an outside wider than the inside", all(
    replace(`${CHARGE}/Stripe_Charge__c.object-meta.xml`, "<sharingModel>ReadWrite<", "<sharingModel>Private<"),
    replace(`${CHARGE}/Stripe_Charge__c.object-meta.xml`, "<externalSharingModel>Private<", "<externalSharingModel>Read<"),
  ), /wider than sharingModel/],
  ["an object without its file", remove(`${CHARGE}/Stripe_Charge__c.object-meta.xml`), /Stripe_Charge__c has no object file/],
  ["a scale larger than the precision", replace(field("Fee__c"), "<precision>18<", "<precision>2<"), /^FAULT fields.*\n.*scale is larger/m],
  ["a status twice", replace(field("Status__c"), "<fullName>Failed<", "<fullName>Pending<"), /two values have the fullName "pending"/],
  ["a status list that is open", replace(field("Status__c"), "<restricted>true<", "<restricted>false<"), /not restricted/],
  ["a key that ignores case", replace(field("Stripe_Id__c"), "<caseSensitive>true<", "<caseSensitive>false<"), /can match the wrong record/],
  ["a lookup to nothing", replace(field("Customer__c"), "<referenceTo>Stripe_Customer__c<", "<referenceTo>Stripe_Custmer__c<"), /^FAULT relationships.*\n.*Stripe_Custmer__c, which does not exist/m],
  ["two relationships of one name", replace(field("Customer__c", "Stripe_Invoice__c"), "<relationshipName>Stripe_Invoices<", "<relationshipName>Stripe_Charges<"), /relationshipName Stripe_Charges of Stripe_Customer__c is taken/],
  ["an amount with two decimals", replace(field("Fee__c"), "<scale>3<", "<scale>2<"), /^FAULT record model.*\n.*<scale> is 2, expected 3/m],
  ["a common field that is missing", remove(field("Livemode__c")), /Livemode__c is missing/],
  ["an element that the WSDL does not have", replace(REPORT, "<scope>", "<sope>all</sope><scope>"), /<sope> is not an element of <Report>/],
  ["a value that the WSDL does not have", replace(listView("Failed"), "<filterScope>Everything<", "<filterScope>Everyone<"), /"Everyone", which is not a FilterScope/],
  ["a list view of a field that does not exist", replace(listView("All"), "<columns>Failure_Code__c<", "<columns>Failure_Kode__c<"), /^FAULT presentation.*\n.*Stripe_Charge__c has no field Failure_Kode__c/m],
  ["a list view of a status that never occurs", replace(listView("Failed"), "<value>Failed<", "<value>Fehlgeschlagen<"), /Status__c is never "Fehlgeschlagen"/],
  ["a field that nobody can see", replace(LAYOUT, "<field>Fee__c<", "<field>Net__c<"), /Net__c is shown twice[^]*Fee__c is not shown/],
  ["a layout that no org would show", rename(LAYOUT, LAYOUT.replace("Stripe Charge Layout", "Charge Layout")), /the layout that an org shows is called Stripe Charge Layout/],
  ["a required field that a page does not require", replace(LAYOUT, "<behavior>Required</behavior>\n                <field>Stripe_Id__c<", "<behavior>Edit</behavior>\n                <field>Stripe_Id__c<"), /Stripe_Id__c is a required field/],
  ["a related list of another parent", replace(LAYOUT, "<relatedList>Stripe_Refund__c.Charge__c<", "<relatedList>Stripe_Refund__c.Payment_Intent__c<"), /Stripe_Refund__c.Payment_Intent__c does not point to Stripe_Charge__c/],
  ["an object without a tab", remove(`${MAIN}/tabs/Stripe_Charge__c.tab-meta.xml`), /there is no tab Stripe_Charge__c[^]*Stripe_Charge__c has no CustomTab/],
  ["a report of a field that does not exist", replace(REPORT, "Stripe_Payment_Intent__c.Decline_Code__c", "Stripe_Payment_Intent__c.Reason__c"), /Stripe_Payment_Intent__c has no field Reason__c/],
  ["a token from somewhere else", replace(CREDENTIAL, "https://paybridge.example.com/oauth", "https://other.example.com/oauth"), /^FAULT credentials.*\n.*the token comes from https:\/\/other/m],
  ["an address without encryption", replace(NAMED, "<parameterValue>https:", "<parameterValue>http:"), /with https/],
  ["a credential that a deploy would refuse", replace(CREDENTIAL, "<parameterType>AuthProtocolVariant<", "<parameterType>AuthParameter<"), /no AuthProtocolVariant/],
  ["a service without its credential", replace(REGISTRATION, "<namedCredentialReference>Paybridge<", "<namedCredentialReference>PayBridge2<"), /there is no named credential PayBridge2/],
  ["a registration that is not what the contract says", replace(REGISTRATION, "createcustomer", "createcustomers"), /^FAULT contract.*\n.*npm run generate/m],
  ["bodies that are not what the contract says", replace(apex("PaybridgeApi"), "public String email;", "public String mail;"), /PaybridgeApi.cls is not what openapi/],
  ["Apex that is not Apex", replace(apex("PaybridgeInput"), "return", "retrun"), /^FAULT Apex.*\n.*PaybridgeInput.cls:/m],
  ["a reserved word as a name", all(
    replace(apex("PaybridgeInput"), "String value)", "String in)"),
    replace(apex("PaybridgeInput"), "isBlank(value)", "isBlank(in)"),
    replace(apex("PaybridgeInput"), "value.trim()", "in.trim()"),
  ), /PaybridgeInput.cls: Unexpected token 'in'/],
  ["a property that the contract does not have", replace(apex("PaybridgeUpsertCustomer"), "body.email", "body.emial"), /UpsertCustomerRequest has no emial/],
  ["an answer's property that the contract does not have", replace(apex("PaybridgeBulk"), "answer.operationStatus", "answer.operationState"), /BulkAnswer has no operationState/],
  ["an amount that is no text", replace(apex("PaybridgeCreatePaymentIntent"), "PaybridgeInput.amount(amount)", "amount"), /a Decimal does not fit into a String/],
  ["a path that the contract does not have", replace(apex("PaybridgeUpsertCustomer"), "'/v1/customers/bulk'", "'/v1/customers/many'"), /the contract has no \/v1\/customers\/many/],
  ["a method that the contract does not have", replace("force-app/tests/classes/PaybridgeCreateActionsTest.cls", "'PUT', '/v1/customers/bulk'", "'PATCH', '/v1/customers/bulk'"), /the contract has no PATCH \/v1\/customers\/bulk/],
  ["a variable that nobody declared", replace(apex("PaybridgeBulk"), "results.addAll(sendChunk(chunk))", "results.addAll(sendChunk(chunks))"), /chunks is not declared/],
  ["a method with too few arguments", replace(apex("PaybridgeEach"), "make(one)", "make()"), /PaybridgeEach.make takes 1 arguments, not 0/],
  ["what is private to another class", replace(apex("PaybridgeFailureTasks"), "item.result.problem", "item.attempts"), /PaybridgeJob.Item.attempts is private/],
  ["Apex laid out in another way", replace(apex("PaybridgeInput"), "    public static", "  public static"), /PaybridgeInput.cls:\d+: not laid out like the rest/],
  ["Apex without sharing", replace(apex("PaybridgeBulk"), "with sharing ", ""), /PaybridgeBulk.cls: not "with sharing"/],
  ["records changed for a user who may not", replace(apex("PaybridgeFailureTasks"), "insert as user", "insert"), /records are changed, but not "as user"/],
  ["a class of another API version", replace(`${apex("PaybridgeInput")}-meta.xml`, "66.0", "60.0"), /API version 60.0, the project has 66.0/],
  ["a class without its metadata", remove(`${apex("PaybridgeInput")}-meta.xml`), /has no PaybridgeInput.cls-meta.xml/],
  ["a class that no test names", remove("force-app/tests/classes/PaybridgeInputTest.cls"), /no test names PaybridgeInput/],
  ["an action without a category", replace(apex("PaybridgeUpsertCustomer"), "        category='Paybridge'\n", ""), /^FAULT actions.*\n.*PaybridgeUpsertCustomer: the method has no category/m],
  ["an action that is refused in a screen flow", replace(apex("PaybridgeUpsertCustomer"), "        callout=true\n", ""), /does not say callout=true/],
  ["an input that says nothing", replace(apex("PaybridgeUpsertCustomer"), "label='Email' description='Address for receipts and invoices.'", "label='Email'"), /the input email has no label or description/],
  ["a flow without a fault path", replace(FLOW, "        <faultConnector>\n            <targetReference>Leave_Task</targetReference>\n        </faultConnector>\n", ""), /^FAULT flows.*\n.*MissingFaultPath/m],
  ["a flow that would begin to bill", replace(FLOW, "<status>Draft<", "<status>Active<"), /starts by itself and is not a draft/],
  ["a flow that goes nowhere", replace(FLOW, "<targetReference>Has_Price<", "<targetReference>Has_Prize<"), /goes to Has_Prize, which does not exist/],
  ["a flow that calls an action that does not exist", replace(FLOW, "<actionName>PaybridgeUpsertCustomer<", "<actionName>PaybridgeMakeCustomer<"), /there is no action PaybridgeMakeCustomer/],
  ["a flow that leaves out an input", replace(FLOW, "<name>customerId</name>\n            <value>", "<name>customer</name>\n            <value>"), /has no input customer[^]*needs customerId/],
  ["a flow that reads an output that does not exist", replace(FLOW, "Create_Customer.stripeId", "Create_Customer.customerId"), /PaybridgeUpsertCustomer has no output customerId/],
  ["a flow that uses a field it does not read", replace(FLOW, "Get_Line.Quantity", "Get_Line.UnitPrice"), /Get_Line does not read UnitPrice/],
  ["a flow that looks for a field that does not exist", replace(FLOW, "<field>Interval__c<", "<field>Period__c<"), /Stripe_Price__c has no field Period__c/],
  ["a flow that looks for a status that never occurs", replace(FLOW, "<stringValue>Deleted<", "<stringValue>Gone<"), /Stripe_Customer__c.Status__c is never "Gone"/],
  ["a flow that a deploy refuses for its label", replace(FLOW, "<pathType>AsyncAfterCommit<", "<label>Later</label>\n            <pathType>AsyncAfterCommit<"), /the asynchronous path has a label/],
  ["a button that starts nothing", replace(`${MAIN}/quickActions/Opportunity.Take_Payment_By_Link.quickAction-meta.xml`, "<flowDefinition>Payment_", "<flowDefinition>Payments_"), /there is no screen flow Payments_Take_By_Link/],
  ["a button whose flow does not take the record", replace(`${MAIN}/flows/Payment_Take_By_Link.flow-meta.xml`, "<isInput>true<", "<isInput>false<"), /Payment_Take_By_Link does not take recordId/],
  ["an agent who cannot call", replace(AGENT, "<externalCredentialPrincipal>Paybridge-Org<", "<externalCredentialPrincipal>Paybridge-Main<"), /lacks Paybridge-Org/],
  ["an agent without an action", replace(AGENT, "<apexClass>PaybridgeUpsertCustomer<", "<apexClass>PaybridgeClient<"), /classAccesses lacks PaybridgeUpsertCustomer/],
  ["a viewer without a tab", replace(VIEWER, "<tab>Stripe_Charge__c<", "<tab>Stripe_Refund__c<"), /tabSettings lacks Stripe_Charge__c/],
  ["a required field in a permission set", replace(VIEWER, "<field>Stripe_Charge__c.Status__c<", "<field>Stripe_Charge__c.Stripe_Id__c<"), /^FAULT permission sets.*\n.*Stripe_Charge__c.Stripe_Id__c is a required field/m],
  ["a field permission for no field", replace(VIEWER, "<field>Stripe_Charge__c.Fee__c<", "<field>Stripe_Charge__c.Fees__c<"), /Fees__c is not a field[^]*Fee__c has no field permission/],
  ["a reader that writes", replace(VIEWER, "<editable>false<", "<editable>true<"), /editable must be false/],
  ["the right to delete", replace(INTEGRATION, "<allowDelete>false<", "<allowDelete>true<"), /Account: grants allowDelete, allowRead, expected allowRead/],
  ["a file that the conversion leaves out", () => write(".forceignore", "**/Stripe_Charge__c/fields/Fee__c.field-meta.xml\n"), /^FAULT conversion.*\n.*package.xml lacks CustomField Stripe_Charge__c.Fee__c/m],
  ["a field that is gone", remove(field("Exchange_Rate__c", "Stripe_Balance_Transaction__c")), /Stripe_Balance_Transaction__c has no field Exchange_Rate__c/],
];

for (const [title, damage, told] of DAMAGES) {
  test(`finds ${title}`, async () => assert.match(await faultsAfter(damage), told));
}

test("finds nothing in the project as it is", async () => assert.equal(await faultsAfter(() => {}), ""));

async function faultsAfter(damage) {
  try {
    damage();
    let told = "";
    for await (const { title, faults } of checkAll(ROOT)) {
      if (faults.length > 0) told += [`FAULT ${title}`, ...faults].join("\n");
    }
    return told;
  } finally {
    while (mends.length > 0) mends.pop()();
  }
}
