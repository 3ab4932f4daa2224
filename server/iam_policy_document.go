package server

import (
	"net/url"
	"strings"
)

// escapedDocument is a policy document as IAM's answers carry it: percent-encoded
// by RFC 3986, every byte but letters, digits, "-", ".", "_" and "~". Clients
// decode it themselves. An empty document is none.
func escapedDocument(document string) *string {
	if document == "" {
		return nil
	}
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}
