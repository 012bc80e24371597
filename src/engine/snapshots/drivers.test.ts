import { driverConformance } from "./driver-conformance.js";
import { storageDrivers } from "./open-driver.js";

for (const name of storageDrivers) driverConformance(name);
