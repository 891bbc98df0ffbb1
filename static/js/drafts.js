// What was marked and written on parts in hand, kept over a reload and over the way through another page of this window.

const NAME = "drafts";

export function store(claims) {
  const begun = claims.filter(({ defects = "[]", comment = "" }) => defects !== "[]" || comment);
  const drafts = begun.map(({ inspection, defects, comment }) => [inspection.id, { defects, comment }]);
  try {
    sessionStorage.setItem(NAME, JSON.stringify(Object.fromEntries(drafts)));
  } catch {
    // Without storage a draft lives as long as the page.
  }
}

/** The claim with its draft, if there is one. */
export function restore(claim) {
  try {
    return Object.assign(claim, JSON.parse(sessionStorage.getItem(NAME))?.[claim.inspection.id]);
  } catch {
    return claim;
  }
}
