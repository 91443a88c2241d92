// What the server says can be asked: fields, their operators, and what values those take.

export type Takes = "one" | "list" | "pair" | "duration" | "none";

export interface Choice {
  key: string;
  label: string;
}

export interface FieldEntry {
  field: string;
  label: string;
  group: string;
  type: string;
  operators?: string[];
  choices?: Choice[];
  /** Of a field that is asked as events are: what its elements have. */
  properties?: { name: string; type?: string }[];
  /** What to know about its values. */
  hint?: string;
}

export interface FunctionEntry {
  function: string;
  label: string;
  needs_property: boolean;
  type: string;
  operators: string[];
}

export interface CatalogData {
  fields: FieldEntry[];
  operators: { operator: string; label: string; takes: Takes }[];
  event: {
    functions: FunctionEntry[];
    occurred_at: { type: string; operators: string[] };
    properties: { operators: string[] };
  };
  units: Record<string, string[]>;
  limits: { levels: number; rules: number; steps: number[]; amount: number };
}

export const PASTE_LIMIT = 200;

/** The groups of the palette, in their order. */
export const GROUPS = ["card", "order", "budget", "time", "contact", "attribute", "event", "metric", "tag", "category", "consent", "loyalty", "segment", "journey"] as const;
export type GroupName = (typeof GROUPS)[number] | "condition";

const EMPTY: CatalogData = {
  fields: [],
  operators: [],
  event: { functions: [], occurred_at: { type: "datetime", operators: [] }, properties: { operators: [] } },
  units: {},
  limits: { levels: 8, rules: 200, steps: [2, 5], amount: 10000 },
};

export class Catalog {
  readonly data: CatalogData;
  private readonly byName: Map<string, FieldEntry>;
  private readonly operators: Map<string, { label: string; takes: Takes }>;

  constructor(sent: Partial<CatalogData> | undefined) {
    this.data = { ...EMPTY, ...sent };
    this.byName = new Map(this.data.fields.map((entry) => [entry.field, entry]));
    this.operators = new Map(this.data.operators.map((entry) => [entry.operator, entry]));
  }

  get limits(): CatalogData["limits"] {
    return this.data.limits;
  }

  field(name: string): FieldEntry | undefined {
    return this.byName.get(name);
  }

  /** Whether a field is asked by a measure: events, and what stands in lists of its own. */
  isMeasured(name: string): boolean {
    return name.startsWith("event.") || this.isListed(name);
  }

  /** Whether it is measured, but no event: it has no time. */
  isListed(name: string): boolean {
    return !name.startsWith("event.") && this.byName.get(name)?.type === "event";
  }

  /** A name for people, also of what the catalog does not know. */
  label(name: string): string {
    const found = this.byName.get(name)?.label;
    if (found) return found;
    return name.replace(/^(event|attribute|consent|metric|properties|contact|loyalty)\./, "");
  }

  operatorLabel(operator: string): string {
    return this.operators.get(operator)?.label ?? operator;
  }

  takes(operator: string): Takes {
    return this.operators.get(operator)?.takes ?? "one";
  }

  eventFunction(name: string): FunctionEntry | undefined {
    return this.data.event.functions.find((entry) => entry.function === name);
  }

  /** The units of time that a duration may have for an operator on a type. */
  units(type: string, operator: string): string[] {
    const found = /anniversary/i.test(operator) ? this.data.units["anniversary"] : this.data.units[type];
    return found ?? this.data.units["datetime"] ?? ["minute", "hour", "day", "week", "month", "year"];
  }

  /** The fields by group of the palette. */
  grouped(): Map<GroupName, FieldEntry[]> {
    const found = new Map<GroupName, FieldEntry[]>();
    for (const name of GROUPS) {
      const fields = this.data.fields.filter((entry) => groupOfField(entry.field) === name);
      if (fields.length) found.set(name, fields);
    }
    return found;
  }
}

export function groupOfField(field: string): GroupName {
  const [head = ""] = field.split(".");
  if (head === "sequence" || head === "event") return "event";
  if (head === "occurred_at" || head === "properties") return "condition";
  return (GROUPS as readonly string[]).includes(head) ? (head as GroupName) : "contact";
}

export const ICONS: Record<GroupName, string> = {
  card: "credit_card",
  order: "shopping_cart",
  budget: "savings",
  time: "schedule",
  contact: "person",
  attribute: "tune",
  event: "bolt",
  metric: "monitoring",
  tag: "sell",
  category: "category",
  consent: "verified_user",
  loyalty: "loyalty",
  segment: "group_work",
  journey: "alt_route",
  condition: "data_object",
};

export function iconOf(field: string): string {
  if (field === "sequence") return "route";
  if (field === "occurred_at") return "schedule";
  return field ? ICONS[groupOfField(field)] : "help";
}
