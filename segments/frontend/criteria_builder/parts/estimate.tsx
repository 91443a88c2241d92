// What the criteria give: how many, which share of all, some of them, and the criteria in words.

import { useCallback, useEffect, useRef, useState } from "react";
import { isUnset, useEditor } from "../editor";
import { write } from "../model/json";
import { withoutUnfinished } from "../model/unfinished";
import { type ClauseCount, Outdated, type PreviewAnswer, type Problem, type Server } from "../server";
import { read } from "../state";
import { Icon } from "./basics";

export interface Estimate {
  state: "off" | "waiting" | "done" | "failed";
  answer: PreviewAnswer | null;
  /** Where something is only not complete yet: the answer without that. */
  partial: PreviewAnswer | null;
  counts: Record<string, ClauseCount>;
  /** The text that the answer is about. */
  text: string;
  again: () => void;
}

const PAUSE_MS = 500;

/** Ask for a preview a moment after each change; what became outdated is given up. */
export function useEstimate(server: Server, text: string, isJson: boolean, form: HTMLFormElement | null): Estimate {
  const isOn = Boolean(server.urls.preview);
  const [found, setFound] = useState<Omit<Estimate, "again">>({ state: isOn ? "waiting" : "off", answer: null, partial: null, counts: {}, text: "" });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!form) return undefined;
    const listen = (event: Event) => {
      if (event.target instanceof HTMLInputElement && event.target.name === "members_only") again();
    };
    form.addEventListener("change", listen);
    return () => form.removeEventListener("change", listen);
  }, [form, again]);
  useEffect(() => {
    if (!isOn) return undefined;
    const asked = new AbortController();
    const ask = async () => {
      if (!isJson) {
        setFound((before) => ({ ...before, state: "done", answer: null, partial: null, counts: {}, text }));
        return;
      }
      try {
        const answer = await server.preview(text, asked.signal);
        const rest = answer.problems.length && answer.problems.every(isUnset) ? restOf(text, answer.problems) : null;
        const partial = rest ? await server.preview(rest, asked.signal) : null;
        const done = { state: "done" as const, answer, partial: partial?.problems.length === 0 ? partial : null, text };
        setFound({ ...done, counts: {} });
        if (!server.urls.counts) return;
        // Also where something is not complete yet: the other parts have their counts.
        const counts = await server.counts(text, asked.signal).catch(() => ({}));
        if (!asked.signal.aborted) setFound({ ...done, counts });
      } catch (fault) {
        if (asked.signal.aborted || fault instanceof Outdated) return;
        setFound((before) => ({ ...before, state: "failed", counts: {}, text }));
      }
    };
    setFound((before) => ({ ...before, state: "waiting" }));
    const timer = setTimeout(ask, isFirst.current ? 0 : PAUSE_MS);
    isFirst.current = false;
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [server, text, isJson, isOn, turn]);
  return { ...found, again };
}

function restOf(text: string, problems: readonly Problem[]): string | null {
  const { raw } = read(text);
  const rest = raw && withoutUnfinished(raw, problems.map((problem) => problem.path));
  return rest && write(rest);
}

/** The answer that has something to show. */
export function shownAnswer({ answer, partial }: Pick<Estimate, "answer" | "partial">): PreviewAnswer | null {
  return answer?.problems.length ? partial : answer;
}

/** The number as people read it. */
export function useCountText(estimate: Estimate): string {
  const { t } = useEditor();
  const answer = shownAnswer(estimate);
  if (answer?.count === undefined) return "–";
  return answer.exact === false ? t("estimate_more_than", { count: answer.count }) : answer.count;
}

export function EstimatePanel({ estimate, isJson }: { estimate: Estimate; isJson: boolean }) {
  const { t } = useEditor();
  const { state } = estimate;
  const answer = shownAnswer(estimate);
  const text = useCountText(estimate);
  const problems = estimate.answer?.problems ?? [];
  const hasCount = answer?.count !== undefined;
  const share = shareOf(answer);
  const isUnfinished = problems.length > 0 && problems.every(isUnset);
  const note = () => {
    if (!isJson) return t("estimate_faulty");
    if (state === "failed") return t("estimate_failed");
    if (problems.length && !hasCount) return t(isUnfinished ? "estimate_unfinished" : "estimate_faulty");
    if (!hasCount) return state === "waiting" ? t("estimate_waiting") : "";
    return t(answer?.count_number === 1 || answer?.count === "1" ? "estimate_fit_one" : "estimate_fits");
  };
  const isNobody = hasCount && (answer?.count_number === 0 || answer?.count === "0");
  return (
    <section className="cb-estimate" aria-label={t("estimate")} aria-busy={state === "waiting"} data-state={state}>
      <div className="cb-estimate-count">
        <Ring share={hasCount ? share : null} />
        <div>
          <p className="cb-number-big" data-estimate-count>{text}</p>
          <p className="cb-quiet">{note()}</p>
          <p className="cb-hidden" role="status">{state !== "done" ? "" : hasCount ? t("estimate_said", { count: text }) : note()}</p>
          {hasCount && answer?.share && (
            <p className="cb-share">{answer.total !== undefined ? t("estimate_share", { share: answer.share, total: typeof answer.total === "number" ? answer.total.toLocaleString(document.documentElement.lang || undefined) : answer.total }) : t("estimate_share_only", { share: answer.share })}</p>
          )}
          {hasCount && isUnfinished && <p className="cb-partial">{t("estimate_partial")}</p>}
          {hasCount && answer?.exact === false && <p className="cb-quiet">{t("estimate_stopped")}</p>}
          {state === "failed" && <button type="button" className="cb-link" onClick={estimate.again}>{t("estimate_retry")}</button>}
        </div>
      </div>
      <div className="cb-estimate-words">
        <h3>{t("sentence")}</h3>
        <p className="cb-sentence" data-estimate-sentence>{answer?.sentence ?? "–"}</p>
      </div>
      <div className="cb-estimate-sample">
        {hasCount && !isNobody && Boolean(answer?.sample?.length) && <h3>{t("sample")}</h3>}
        {isNobody ? (
          <p className="cb-quiet">{t("estimate_nobody")}</p>
        ) : (
          <ul>
            {(hasCount ? (answer?.sample ?? []) : []).slice(0, 10).map((contact, index) => (
              <li key={`${contact.url ?? contact.name}-${index}`}>
                <span className="cb-avatar" aria-hidden="true">{(contact.name || contact.email || "?").slice(0, 1).toUpperCase()}</span>
                {contact.url ? <a className="rg-link" href={contact.url}>{contact.name}</a> : <span>{contact.name}</span>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

// A share out of what the server says in words ("12.3 %"), for the ring alone.
function shareOf(answer: PreviewAnswer | null): number | null {
  const digits = answer?.share?.replace(",", ".").match(/\d+(\.\d+)?/);
  return digits ? Math.min(1, Number(digits[0]) / 100) : null;
}

function Ring({ share }: { share: number | null }) {
  const around = 2 * Math.PI * 20;
  return (
    <span className="cb-ring" aria-hidden="true">
      <svg viewBox="0 0 48 48">
        <circle cx="24" cy="24" r="20" />
        {share !== null && share > 0 && <circle className="cb-ring-part" cx="24" cy="24" r="20" strokeDasharray={`${Math.max(1.5, share * around)} ${around}`} />}
      </svg>
      <Icon name="group" />
    </span>
  );
}
