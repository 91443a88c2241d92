// Islands are built into committed bundles: one script and one style sheet each, with fixed names.
// The mode names the island to build: vite build --mode canvas.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const ISLANDS: Record<string, { app: string; global: string }> = {
  criteria_builder: { app: "segments", global: "criteriaBuilder" },
  canvas: { app: "journeys", global: "journeyCanvas" },
};

export default defineConfig(({ mode }) => {
  const name = mode in ISLANDS ? mode : "criteria_builder";
  const { app, global } = ISLANDS[name]!;
  return {
    plugins: [react()],
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    build: {
      outDir: `${app}/static/${app}/${name}`,
      emptyOutDir: true,
      // One file each: the server's manifest gives files new names, and knows nothing of imports.
      lib: {
        entry: `${app}/frontend/${name}/main.tsx`,
        formats: ["iife"],
        name: global,
        fileName: () => `${name}.js`,
        cssFileName: name,
      },
      target: "es2022",
      sourcemap: false,
      license: false,
    },
    test: { include: ["*/frontend/**/*.test.ts"], environment: "node", testTimeout: 60_000 },
  };
});
