import { mlpApplications } from "./mlp-applications.ts";
import { MLP } from "./mlp.ts";

export default mlpApplications(MLP.path);
