// Original file: proto/thornback/v1/worker.proto


export interface Answered {
  'id'?: (string);
  'answerJson'?: (string);
}

export interface Answered__Output {
  'id': (string);
  'answerJson': (string);
}
