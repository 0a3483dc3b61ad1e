// Original file: proto/thornback/v1/worker.proto


export interface CollectMetrics {
}

export interface CollectMetrics__Output {
}
