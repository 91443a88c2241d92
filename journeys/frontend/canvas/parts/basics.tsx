// Small parts: icons, buttons.

import type { ButtonHTMLAttributes } from "react";

export function Icon({ name }: { name: string }) {
  return (
    <span className="material-symbols-outlined jc-icon" aria-hidden="true">
      {name}
    </span>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: string;
  label: string;
}

export function IconButton({ icon, label, className = "", ...more }: IconButtonProps) {
  return (
    <button type="button" className={`jc-icon-button ${className}`} aria-label={label} title={label} {...more}>
      <Icon name={icon} />
    </button>
  );
}
