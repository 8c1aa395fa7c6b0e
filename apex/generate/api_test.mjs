import { format } from "prettier";
import { FORMAT } from "./api_class.mjs";
import { jsonSchemaOf, nameOf } from "./contract.mjs";

/** The source of PaybridgeApiTest, formatted: each method of PaybridgeApi calls what the contract says. */
export async function apiTest({ operations }) {
  const source = `/**
 * Each method of PaybridgeApi calls what the contract says. Made from it by "npm run generate"; not to be edited.
 */
@IsTest
private class PaybridgeApiTest {
${operations.map(test).join("\n")}
}
`;
  return format(source, FORMAT);
}

function test({ path, method, operation }) {
  const body = nameOf(jsonSchemaOf(operation.requestBody)?.$ref);
  const parameters = (operation.parameters ?? []).filter((p) => p.in === "path" || p.in === "query");
  const args = parameters.map((p) => (p.in === "path" ? "'id_1'" : "null"));
  if (body) args.push(`new PaybridgeApi.${body}()`);
  return `    @IsTest
    static void ${operation.operationId}() {
        PaybridgeMock mock = PaybridgeMock.start();
        mock.expect('${method.toUpperCase()}', '${path.replace(/\{\w+\}/g, "id_1")}', 200, '{}');
        Assert.isNotNull(new PaybridgeApi().${operation.operationId}(${args.join(", ")}));
        mock.assertDone();
    }
`;
}
