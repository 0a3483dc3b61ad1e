import { createNodeFront } from "../../../proxy/node-front.ts";
import { httpFrontCases } from "../../case/http-front.ts";

httpFrontCases("the node:http front", createNodeFront);
