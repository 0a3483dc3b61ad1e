"""Trains the digits model and writes what this folder holds of it.

    python3 -m venv /tmp/digits && /tmp/digits/bin/pip install -r requirements.txt && /tmp/digits/bin/python train.py

Writes digits.onnx (a small multilayer perceptron with its scaling inside) and held-out.json: the images that training
never saw, their true labels, and the labels that onnxruntime gave for each image by itself, offline. check.ts compares
the served answers with those. Everything is seeded, so the same versions give the same files.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
SEED = 7


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=SEED
    )

    classifier = make_pipeline(
        StandardScaler(),
        MLPClassifier(hidden_layer_sizes=(64,), alpha=1.0, max_iter=500, random_state=SEED),
    )
    classifier.fit(train_x, train_y)

    model = to_onnx(
        classifier,
        initial_types=[("pixels", FloatTensorType([None, 64]))],
        options={id(classifier): {"zipmap": False, "output_class_labels": False}},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    keep_only_probabilities(model)
    model.ir_version = 8  # Old enough for every onnxruntime that Thornback supports.
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.name = "digits"
    model.doc_string = "scikit-learn digits, StandardScaler and MLPClassifier(64); made by train.py"
    onnx.checker.check_model(model)
    (HERE / "digits.onnx").write_bytes(model.SerializeToString())

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    alone = np.concatenate([session.run(None, {"pixels": image[None, :]})[0] for image in test_x])
    together = session.run(None, {"pixels": test_x})[0]
    answers = alone.argmax(axis=1)
    assert (answers == together.argmax(axis=1)).all(), "an answer must not depend on the batch it is in"
    assert (answers == classifier.predict(test_x)).all(), "the export must answer as the classifier does"
    two_best = np.sort(alone, axis=1)[:, -2:]
    closest = float((two_best[:, 1] - two_best[:, 0]).min())

    held_out = [
        {"pixels": image.astype(int).tolist(), "truth": int(truth), "label": int(answer)}
        for image, truth, answer in zip(test_x, test_y, answers)
    ]
    lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in held_out)
    (HERE / "held-out.json").write_text(f"[\n{lines}\n]\n")

    size = (HERE / "digits.onnx").stat().st_size
    print(f"train {len(train_x)}, held out {len(test_x)}, accuracy {(answers == test_y).mean():.4f}")
    print(f"smallest margin between the two best classes {closest:.4f}, digits.onnx {size} bytes")


def keep_only_probabilities(model: onnx.ModelProto) -> None:
    """Drops the label output and the nodes that made it: one input and one output are what `predict` wants."""
    graph = model.graph
    outputs = [output for output in graph.output if output.name == "probabilities"]
    del graph.output[:]
    graph.output.extend(outputs)
    needed = {output.name for output in outputs}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    used = [each for each in graph.initializer if each.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(used)


if __name__ == "__main__":
    main()
