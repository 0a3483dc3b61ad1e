import type { Answer, Question } from "../../core/question.ts";
import { isAnswer, isQuestion } from "../../core/question.ts";

/** A question to a user's function, out of the JSON it travels as; undefined for one that only newer controllers ask. */
export function questionFromJson(json: string): Question | undefined {
  const value = parsed(json);
  return isQuestion(value) ? value : undefined;
}

/** The answer to one; undefined for one that only newer workers give. */
export function answerFromJson(json: string): Answer | undefined {
  const value = parsed(json);
  return isAnswer(value) ? value : undefined;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // What is no JSON is no question and no answer either.
    return undefined;
  }
}
