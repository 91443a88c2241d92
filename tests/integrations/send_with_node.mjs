// Sends what test_published_clients.py expects, with the published client of Segment for Node.
import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({
  writeKey: process.env.WRITE_KEY,
  host: process.env.HOST,
  flushAt: 4,
  flushInterval: 50,
  maxRetries: 0,
});
let failed = 0;
analytics.on("error", (error) => {
  failed += 1;
  console.error(error.code, error.reason);
});

const userId = "u1";
const anonymousId = "an1";
analytics.track({ anonymousId, event: "Viewed", properties: { sku: "A-1" } });
analytics.page({ anonymousId, name: "Home", properties: { path: "/" } });
analytics.identify({
  userId,
  anonymousId,
  traits: { email: "Michael@example.com", firstName: "Michael", lastName: "Scott", plan: "pro", address: { city: "Scranton" } },
});
const order = {
  userId,
  event: "Order Completed",
  properties: { total: 12.5, order_id: "o1" },
  timestamp: new Date("2026-03-02T12:00:00Z"),
  messageId: "order-1",
};
analytics.track(order);
analytics.track(order);
analytics.screen({ userId, name: "Settings", properties: {} });
analytics.group({ userId, groupId: "g1", traits: { name: "ACME" } });
analytics.track({ userId: "old1", event: "review_left", properties: { rating: 5 } });
// Requests are sent side by side; an alias counts for the user id that is known when it comes.
await analytics.flush({ timeout: 20_000 });
analytics.alias({ userId, previousId: "old1" });
for (let n = 0; n < 9; n += 1) {
  analytics.track({ userId, event: "Counted", properties: { n, text: "żółć €" } });
}
await analytics.closeAndFlush({ timeout: 20_000 });
if (failed) process.exit(1);
