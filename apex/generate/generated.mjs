import { apiClass } from "./api_class.mjs";
import { apiTest } from "./api_test.mjs";
import { readContract } from "./contract.mjs";
import { registration } from "./registration.mjs";

/** The generated files, by their paths below main/default. */
export async function generated() {
  const contract = readContract();
  return {
    "classes/PaybridgeApi.cls": await apiClass(contract),
    "../../tests/classes/PaybridgeApiTest.cls": await apiTest(contract),
    "externalServiceRegistrations/Paybridge.externalServiceRegistration-meta.xml": registration(contract),
  };
}
