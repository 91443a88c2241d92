// Islands are built into committed bundles: one script and one style sheet each, with fixed names.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "segments/static/segments/criteria_builder",
    emptyOutDir: true,
    // One file each: the server's manifest gives files new names, and knows nothing of imports.
    lib: {
      entry: "segments/frontend/criteria_builder/main.tsx",
      formats: ["iife"],
      name: "criteriaBuilder",
      fileName: () => "criteria_builder.js",
      cssFileName: "criteria_builder",
    },
    target: "es2022",
    sourcemap: false,
    license: false,
  },
  test: { include: ["*/frontend/**/*.test.ts"], environment: "node", testTimeout: 60_000 },
});
