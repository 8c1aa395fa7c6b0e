import { childrenOf, textOf } from "./xml.mjs";
import { principalsOf } from "./permission_sets.mjs";

// A credential that does not fit together fails only at the first callout, without a byte sent.

export function checkCredentials({ components, sources }) {
  const faults = [];
  const named = (type) => components.filter((c) => c.xml.name === type);
  const credentials = new Map(named("ExternalCredential").map((c) => [c.name, c]));
  for (const { path, xml } of credentials.values()) {
    const types = childrenOf(xml, "externalCredentialParameters").map((p) => textOf(p, "parameterType"));
    // A deploy of an OAuth credential asks for these two; a permission set for the third.
    for (const needed of ["AuthProtocolVariant", "AuthProviderUrl"]) if (!types.includes(needed)) faults.push(`${path}: no ${needed}`);
    if (principalsOf(xml).length === 0) faults.push(`${path}: no principal that a permission set could grant`);
    for (const p of childrenOf(xml, "externalCredentialParameters")) {
      if (textOf(p, "parameterType") === "NamedPrincipal" && textOf(p, "parameterGroup") !== textOf(p, "parameterName")) faults.push(`${path}: a principal's parameterGroup is its name`);
    }
  }
  for (const { path, xml } of named("NamedCredential")) {
    const parameters = childrenOf(xml, "namedCredentialParameters");
    const url = textOf(parameters.find((p) => textOf(p, "parameterType") === "Url"), "parameterValue");
    const used = textOf(parameters.find((p) => textOf(p, "parameterType") === "Authentication"), "externalCredential");
    if (new URL(url).protocol !== "https:" || url !== new URL(url).origin) faults.push(`${path}: ${url} is not the address of a host alone, with https`);
    const credential = credentials.get(used);
    if (!credential) faults.push(`${path}: there is no external credential ${used}`);
    else if (!tokenUrl(credential).startsWith(`${url}/`)) faults.push(`${path}: the token comes from ${tokenUrl(credential)}, not from ${url}`);
  }
  const names = named("NamedCredential").map((c) => c.name);
  for (const { path, xml } of named("ExternalServiceRegistration")) {
    const reference = textOf(xml, "namedCredentialReference");
    if (!names.includes(reference)) faults.push(`${path}: there is no named credential ${reference}`);
  }
  for (const { path, text } of sources) {
    for (const [, name] of text.matchAll(/NAMED_CREDENTIAL = '(\w+)'/g)) if (!names.includes(name)) faults.push(`${path}: there is no named credential ${name}`);
  }
  return { faults, checked: `${names.join(", ")}` };
}

const tokenUrl = ({ xml }) =>
  textOf(childrenOf(xml, "externalCredentialParameters").find((p) => textOf(p, "parameterType") === "AuthProviderUrl"), "parameterValue");
