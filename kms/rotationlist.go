package kms

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// States of key material, in AWS's words.
const (
	MaterialCurrent         = "CURRENT"
	MaterialNonCurrent      = "NON_CURRENT"
	MaterialPendingRotation = "PENDING_ROTATION"
)

// MaterialState says what the key does with m: encrypt and decrypt, decrypt only,
// or nothing until it is rotated to.
func (k *Key) MaterialState(m Material) string {
	switch {
	case m.Pending:
		return MaterialPendingRotation
	case m.Number == k.Current:
		return MaterialCurrent
	}
	return MaterialNonCurrent
}

// ListKeyRotations lists the key's material by age: what came by rotation or,
// with all, also the first and what waits for its rotation.
func (s *Service) ListKeyRotations(k *Key, all bool, p Page) (materials []Material, next string, err error) {
	if !k.Symmetric() {
		return nil, "", &Error{Code: CodeUnsupportedOperation}
	}
	if k.Origin != OriginKMS && k.Origin != OriginExternal {
		return nil, "", k.wrongOrigin()
	}
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	last, err := strconv.ParseUint(after, 10, 32)
	if after != "" && err != nil {
		return nil, "", refuse(CodeInvalidMarker, "Could not deserialize marker '%s'", p.Marker)
	}
	for _, number := range slices.Sorted(maps.Keys(k.material)) {
		m := k.material[number]
		if number <= uint32(last) || !all && m.Rotated.IsZero() {
			continue
		}
		if len(materials) == p.Limit {
			return materials, encodeMarker(fmt.Sprint(materials[p.Limit-1].Number)), nil
		}
		materials = append(materials, m)
	}
	return materials, "", nil
}
