import { mlpApplications } from "./mlp-applications.ts";
import { SMALL_MLP } from "./mlp.ts";

export default mlpApplications(SMALL_MLP.path);
