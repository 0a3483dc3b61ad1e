/** Header with a request's session key, in lower case. */
export const SESSION_KEY_HEADER = "x-session-id";
