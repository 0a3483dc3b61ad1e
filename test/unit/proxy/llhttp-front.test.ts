import { createLlhttpFront } from "../../../proxy/llhttp-front.ts";
import { httpFrontCases } from "../../case/http-front.ts";

httpFrontCases("the llhttp front", createLlhttpFront);
