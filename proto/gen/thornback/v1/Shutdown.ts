// Original file: proto/thornback/v1/worker.proto


export interface Shutdown {
}

export interface Shutdown__Output {
}
