import { MOST_MODEL_ID_LENGTH } from "./limits.ts";

const MODEL_ID = /^[A-Za-z0-9][A-Za-z0-9._:@+-]*(?:\/[A-Za-z0-9][A-Za-z0-9._:@+-]*)*$/;

/**
 * Whether a text may name one of several models: letters, digits and `._:@+-`, in parts divided by single slashes that each
 * begin with a letter or a digit (`team/digits:v2`). No part can be `..`, so that an id from outside, put into a path or
 * a URL, leads nowhere else.
 */
export function isModelId(text: string): boolean {
  return text.length <= MOST_MODEL_ID_LENGTH && MODEL_ID.test(text);
}

/** What {@link isModelId} asks for, to end a sentence with. */
export const MODEL_ID_RULE = `1 to ${MOST_MODEL_ID_LENGTH} letters, digits and ._:@+-, in parts divided by / that begin with a letter or a digit`;

/** Header of a request for one of several models. */
export const MODEL_ID_HEADER = "x-thornback-model-id";
