// The External Service: the contract as a Flow sees it. One action for each operation, except the bulk twins, which are
// there but switched off: a Flow cannot fill a list inside a list, and the invocable actions send them.

/** The registration's file, without anything that differs between machines. */
export function registration({ document, paths, operations, schemas }) {
  const schema = { openapi: document.openapi, info: document.info, paths, components: { schemas } };
  const listed = operations
    .map(({ path, operation }) => ({ name: developerName(operation.operationId), active: !path.endsWith("/bulk") }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, active }) => `    <operations>\n        <active>${active}</active>\n        <name>${name}</name>\n    </operations>\n`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<ExternalServiceRegistration xmlns="http://soap.sforce.com/2006/04/metadata">
    <description>${escape(document.info.description).slice(0, 255)}</description>
    <label>Paybridge</label>
    <namedCredentialReference>Paybridge</namedCredentialReference>
${listed.join("")}    <registrationProviderType>Custom</registrationProviderType>
    <schema>${escape(JSON.stringify(schema))}</schema>
    <schemaType>OpenApi3</schemaType>
    <serviceBinding>${escape(JSON.stringify(BINDING))}</serviceBinding>
    <status>Complete</status>
</ExternalServiceRegistration>
`;
}

const BINDING = { host: "", basePath: "/", allowedSchemes: [], requestMediaTypes: [], responseMediaTypes: [], compatibleMediaTypes: {} };

/** The operation's id in lower case; what is neither letter nor digit becomes x and its code. */
function developerName(operationId) {
  return operationId.toLowerCase().replace(/[^a-z0-9]/g, (c) => `x${c.charCodeAt(0).toString(16)}`);
}

const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;").replace(/'/g, "&apos;");
