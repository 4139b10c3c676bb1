export function expressionsReference(): string { return ''; }
