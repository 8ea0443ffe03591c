/** Builds the console into the ledger's package; `npm run dev` serves it beside a ledger that runs here. */
import { defineConfig } from "vitest/config";

/** Where a ledger answers HTTP, for `npm run dev`. */
const LEDGER = process.env["HOLDFAST_LEDGER_HTTP"] ?? "http://127.0.0.1:7421";

export default defineConfig({
  build: {
    outDir: "../holdfast_ledger/console/static",
    emptyOutDir: true,
    // The policy allows no data: fonts and no inline code, and every browser that runs the code knows modulepreload.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "^/holdfast\\.v1\\.": LEDGER } },
  test: { include: ["src/**/*.test.ts"] },
});
