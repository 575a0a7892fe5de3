// Which network a verifier dials from: its flag, else its environment, else the file.
import { expect, onTestFinished, test } from "vitest";
import { vantageOf } from "../../src/compose/processPart.ts";

const FILE = { file: "renewd.yaml", vantages: ["office", "internet"], vantage: "office" };

test("the flag goes before the environment, and that before the file", () => {
  expect(vantageOf(FILE, undefined)).toBe("office");
  expect(vantageOf({ ...FILE, vantages: [], vantage: null }, undefined)).toBeNull();
  process.env.RENEWD_VANTAGE = "internet";
  onTestFinished(() => {
    delete process.env.RENEWD_VANTAGE;
  });
  expect(vantageOf(FILE, undefined)).toBe("internet");
  expect(vantageOf(FILE, "office")).toBe("office");
});

test("a name that the configuration does not list is refused: such a verifier would have no work", () => {
  expect(() => vantageOf(FILE, "ofice")).toThrow(
    '--vantage: "ofice" is not listed under `vantages` in renewd.yaml; there are: office, internet',
  );
  expect(() => vantageOf({ ...FILE, vantages: [] }, "office")).toThrow("there are: none");
});
