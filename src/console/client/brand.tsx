import { DESK } from './route.ts'

export function Brand() {
  return (
    <span class="brand">
      <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
        <rect class="brand-box" width="32" height="32" rx="8" />
        <path d="M9 16h14" stroke="#fff" stroke-width="2.4" />
        <circle cx="9" cy="16" r="4.2" fill="#fff" />
        <circle class="brand-box" cx="23" cy="16" r="4.6" stroke="#fff" stroke-width="2.4" />
        <circle cx="23" cy="16" r="1.8" fill="#fff" />
      </svg>
      <span>
        ATUM DESK <span class="brand-part">{location.pathname.startsWith(DESK) ? 'desk' : 'console'}</span>
      </span>
    </span>
  )
}
