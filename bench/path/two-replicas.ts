/** What the benchmark deploys behind two proxies: the work alone, with a replica for each. */
import { application, deployment } from "thornback";
import { answerTo, type WorkAnswer, type WorkInput } from "./work.ts";

class Work {
  async predict(input: WorkInput): Promise<WorkAnswer> {
    return answerTo(input);
  }
}

const work = deployment(Work, { maxOngoingRequests: 512, numReplicas: 2 });

export default application(work.bind(), { name: "work", routePrefix: "/work" });
