import { storeCases } from "../../../case/store.ts";
import { MemoryStore } from "../../../fake/memory-store.ts";

storeCases("the memory store", async () => new MemoryStore());
