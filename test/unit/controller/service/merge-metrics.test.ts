import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeMetrics } from "../../../../controller/service/merge-metrics.ts";

describe("merging metrics of several nodes", () => {
  it("describes each metric once, keeps its series together, and names the node", () => {
    const text = (value: number): string =>
      `# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} ${value}\n# HELP b B.\n# TYPE b gauge\nb ${value}\n`;
    assert.equal(
      mergeMetrics([
        { node: "n1", text: text(1) },
        { node: "n2", text: text(2) },
      ]),
      `# HELP a_total A.\n# TYPE a_total counter\na_total{node="n1",x="1"} 1\na_total{node="n2",x="1"} 2\n` +
        `# HELP b B.\n# TYPE b gauge\nb{node="n1"} 1\nb{node="n2"} 2\n`,
    );
  });

  it("is empty without any", () => {
    assert.equal(mergeMetrics([{ node: "n1", text: "" }]), "");
  });
});
