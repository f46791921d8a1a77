import { defineConfig } from "prisma/config";

// The client connects through its driver adapter; the datasource is for tools that are not used here.
export default defineConfig({
    schema: "schema.prisma",
    datasource: { url: "postgresql://nobody@127.0.0.1:1/nowhere" },
});
