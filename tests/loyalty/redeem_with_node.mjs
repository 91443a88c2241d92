// The story of test_voucherify_clients.py with the published client of Voucherify for Node.
import sdk from "@voucherify/sdk";

const client = sdk.VoucherifyServerSide({
  applicationId: process.env.APP_ID,
  secretKey: process.env.APP_TOKEN,
  apiUrl: process.env.HOST,
});
const source_id = "michael.scott";
const told = {};
const customer = await client.customers.create({ source_id, name: "Michael Scott", email: "michael@example.com" });
await client.customers.update({ source_id, metadata: { plan: "gold" } });
told.customer = await client.customers.get(customer.id);
await client.events.create("purchase", { customer: { source_id }, metadata: { total: 12.5 } });
told.event = await client.events.create("review_left", { customer: { source_id }, metadata: { rating: 5 } });

const made = await client.campaigns.create({
  name: "Review gift cards",
  campaign_type: "GIFT_VOUCHERS",
  type: "AUTO_UPDATE",
  join_once: true,
  vouchers_count: 5,
  voucher: {
    type: "GIFT_VOUCHER",
    gift: { amount: 2500, balance: 2500 },
    redemption: { quantity: null },
    code_config: { pattern: "REV-########" },
  },
});
told.campaign = await client.campaigns.get(made.name);
told.publication = await client.distributions.publications.create({
  campaign: { name: made.name, count: 1 },
  customer: { source_id },
  source_id: "review-4711",
  metadata: { product: "paper" },
});
const code = told.publication.voucher.code;
const redeemables = [{ object: "voucher", id: code, gift: { credits: 1000 } }];
const order = { source_id: "o1", amount: 5500, items: [{ source_id: "sku1", related_object: "product", quantity: 2, price: 2750 }] };
told.validation = await client.validations.validateStackable({
  redeemables,
  order,
  customer: { source_id },
  session: { type: "LOCK", ttl: 7, ttl_unit: "DAYS" },
});
told.redemption = await client.redemptions.redeemStackable({
  redeemables,
  order,
  customer: { source_id },
  session: { type: "LOCK", key: told.validation.session.key },
});
told.after = await client.vouchers.get(code);
told.listed = await client.redemptions.list({ limit: 10 });
told.rollback = await client.redemptions.rollback(told.redemption.redemptions[0].id, { reason: "returned" });
told.restored = await client.vouchers.get(code);
told.transactions = await client.vouchers.listTransactions(code, { limit: 10 });

const card = await client.vouchers.create({ code: "GIFT-0001", type: "GIFT_VOUCHER", gift: { amount: 500 } });
told.disabled = await client.vouchers.disable(card.code);
told.enabled = await client.vouchers.enable(card.code);
told.balance = await client.vouchers.balance.create(card.code, { amount: 1000 });
told.vouchers = await client.vouchers.list({ limit: 2 });
try {
  await client.vouchers.get("NONE-0001");
} catch (error) {
  told.error = { code: error.code, key: error.key, resource_id: error.resource_id };
}
try {
  await client.loyalties.listMembers("camp_1", { limit: 1 });
} catch (error) {
  told.unserved = { code: error.code, key: error.key };
}
told.limit = client.apiLimitsHandler.getRateLimit();
console.log(JSON.stringify(told));
