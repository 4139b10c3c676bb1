// Millrace inside another program: brings the target up to date, says what happened, and ends.
import { defineProject, run } from 'millrace';

const project = defineProject({
  sources: { shop: { postgres: '${SHOP_URL}', tables: ['public.customers', 'public.orders'] } },
  replicas: { warehouse: { from: 'shop', postgres: '${WAREHOUSE_URL}' } },
});

const running = await run(project, { folder: process.env['PROJECT_FOLDER'] ?? import.meta.dirname });
try {
  await running.caughtUp();
  for (const [name, replica] of Object.entries(running.status().replicas)) console.log(`${name}: ${replica.state} at ${replica.position}`);
} finally {
  await running.stop();
}
