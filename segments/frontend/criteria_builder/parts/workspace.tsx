// The palette and the zones beside each other.

import type { RefObject } from "react";
import { useEditor, useScope } from "../editor";
import { useActions } from "./actions";
import { markFocus, placeOfFocus } from "./focus";
import { Palette } from "./palette";
import { ConditionsZone, Zones } from "./zones";

export function Workspace({ isWhere, frame }: { isWhere: boolean; frame: RefObject<HTMLDivElement | null> }) {
  const { readOnly } = useEditor();
  const { root } = useScope();
  const actions = useActions();
  return (
    <>
      {!isWhere && !readOnly && <Palette onTake={(entry) => actions.addField(entry, placeOfFocus(frame.current, root))} />}
      <div className="cb-work" onFocus={(event) => markFocus(frame.current, event.target)}>
        {isWhere ? <ConditionsZone /> : <Zones />}
      </div>
    </>
  );
}
