import ts from "typescript";
import { lineOf, walk, type Problem, type Rule } from "./source-tree.ts";

const MOST_LINES = 300;
const MOST_MEMBERS = 20;

/** A class that does not fit in a head is two classes. Fields of `deps` and other private state count as members too. */
export const classSize: Rule = {
  name: "class-size",
  check(tree) {
    return tree.shipped().flatMap((path) => {
      const file = tree.parse(path);
      const problems: Problem[] = [];
      walk(file, (node) => {
        if (!ts.isClassLike(node)) return;
        const name = node.name?.text ?? "class";
        const line = lineOf(file, node);
        const lines = file.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - line;
        const methods = node.members.filter((member) => !ts.isPropertyDeclaration(member)).length;
        if (lines > MOST_LINES) {
          problems.push({
            path,
            line,
            message: `${name} has ${lines} lines, at most ${MOST_LINES}: split off what it could be given`,
          });
        }
        if (methods > MOST_MEMBERS) {
          problems.push({
            path,
            line,
            message: `${name} has ${methods} methods, at most ${MOST_MEMBERS}: split off what it could be given`,
          });
        }
      });
      return problems;
    });
  },
};
