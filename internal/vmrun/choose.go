package vmrun

import "slices"

// newest returns the packages of the newest release that is complete, in the
// order of s.packages; nil if there is none.
func (s *series) newest(debs []Deb) Lock {
	releases := map[string]Lock{}
	for i, pattern := range s.packages {
		for _, d := range newestFirst(debs) {
			m := pattern.FindStringSubmatch(d.Package)
			if m == nil {
				continue
			}
			if release := m[1]; len(releases[release]) == i {
				releases[release] = append(releases[release], d)
			}
		}
	}
	var best Lock
	for _, lock := range releases {
		if len(lock) != len(s.packages) {
			continue
		}
		if best == nil || compareVersions(lock[0].Version, best[0].Version) > 0 {
			best = lock
		}
	}
	return best
}

func newestFirst(debs []Deb) []Deb {
	sorted := slices.Clone(debs)
	slices.SortStableFunc(sorted, func(a, b Deb) int { return compareVersions(b.Version, a.Version) })
	return sorted
}

// has reports whether all pinned packages are among debs, with the same hashes.
func (l Lock) has(debs []Deb) bool {
	for _, d := range l {
		if !slices.Contains(debs, d) {
			return false
		}
	}
	return len(l) > 0
}
