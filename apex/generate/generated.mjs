import { apiClass } from "./api_class.mjs";
import { readContract } from "./contract.mjs";
import { registration } from "./registration.mjs";

/** The generated files, by their paths below main/default. */
export async function generated() {
  const contract = readContract();
  return {
    "classes/PaybridgeApi.cls": await apiClass(contract),
    "externalServiceRegistrations/Paybridge.externalServiceRegistration-meta.xml": registration(contract),
  };
}
