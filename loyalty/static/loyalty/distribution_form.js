/* The form of a distribution: fields that belong to a choice, and the sentence at its end. */
(() => {
  "use strict";

  const form = document.querySelector("[data-distribution-form]");
  if (!form) return;
  const words = JSON.parse(document.getElementById("distribution-words").textContent);
  const field = (name) => form.elements[name];
  const chosen = (name) => {
    const one = field(name);
    if (!one || !one.value) return words.missing;
    return one.selectedOptions ? one.selectedOptions[0].textContent.trim() : one.value;
  };
  const OF = { segment_entered: "segment", segment_left: "segment", manual: "segment", event: "event", publication: "of_campaign", redemption: "of_campaign", tier_changed: "tier" };
  const say = (word, name) => words[word].replace("{x}", name ? chosen(name) : "");
  const follow = () => {
    const trigger = field("trigger").value;
    const channel = field("channel").value;
    for (const part of form.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(trigger);
    for (const part of form.querySelectorAll("[data-over]")) part.hidden = !part.dataset.over.split(" ").includes(channel);
    const told = [say(trigger, OF[trigger]), `${say("gets", "campaign")},`, say(channel, { email: "template", webhook: "webhook", vendor: "vendor" }[channel])];
    if (trigger === "segment_entered" && field("include_present").checked) told.push(words.present);
    form.querySelector("[data-summary]").textContent = told.join(" ");
  };
  form.addEventListener("input", follow);
  form.addEventListener("change", follow);
  follow();
})();
