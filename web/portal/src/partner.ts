// Which partner's portal is meant: somebody may have access to those of several companies, with one address.

/** The partner that an address of this page names: `?partner=…`. */
export function partnerOf(address: URL): string | undefined {
  return address.searchParams.get("partner") ?? undefined;
}
