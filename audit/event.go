package audit

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Event is a CloudTrail record, version 1.11, with CloudTrail's field names; see
// "CloudTrail record contents" in the AWS CloudTrail user guide. It never holds
// plaintexts, key material or secrets.
type Event struct {
	EventVersion    string       `json:"eventVersion"` // [Event.Encode] sets it
	UserIdentity    UserIdentity `json:"userIdentity"`
	EventTime       time.Time    `json:"eventTime"`   // written in UTC, whole seconds
	EventSource     string       `json:"eventSource"` // "kms.amazonaws.com"
	EventName       string       `json:"eventName"`
	AWSRegion       string       `json:"awsRegion"`
	SourceIPAddress string       `json:"sourceIPAddress"`
	UserAgent       string       `json:"userAgent,omitempty"`
	ErrorCode       string       `json:"errorCode,omitempty"`
	ErrorMessage    string       `json:"errorMessage,omitempty"`
	// Ordered JSON objects; nil is written as null, as CloudTrail does.
	RequestParameters json.RawMessage `json:"requestParameters"`
	ResponseElements  json.RawMessage `json:"responseElements"`
	// AdditionalEventData is a JSON object or nil.
	AdditionalEventData json.RawMessage `json:"additionalEventData,omitempty"`
	// ServiceEventDetails is a JSON object or nil, for events without a call.
	ServiceEventDetails json.RawMessage `json:"serviceEventDetails,omitempty"`
	RequestID           string          `json:"requestID"`
	EventID             string          `json:"eventID"` // a UUID, unique in the log
	ReadOnly            bool            `json:"readOnly"`
	Resources           []Resource      `json:"resources,omitempty"`
	EventType           string          `json:"eventType"`       // empty means "AwsApiCall"
	ManagementEvent     bool            `json:"managementEvent"` // always written as true
	RecipientAccountID  string          `json:"recipientAccountId"`
	EventCategory       string          `json:"eventCategory"` // empty means "Management"
	TLSDetails          *TLSDetails     `json:"tlsDetails,omitempty"`
}

// UserIdentity says who called.
type UserIdentity struct {
	Type           string          `json:"type,omitempty"` // "Root", "IAMUser", "AssumedRole", …
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *SessionContext `json:"sessionContext,omitempty"`
	InvokedBy      string          `json:"invokedBy,omitempty"`
}

// SessionContext describes temporary credentials.
type SessionContext struct {
	SessionIssuer *SessionIssuer     `json:"sessionIssuer,omitempty"`
	Attributes    *SessionAttributes `json:"attributes,omitempty"`
}

// SessionIssuer is whose credentials the temporary ones came from.
type SessionIssuer struct {
	Type        string `json:"type,omitempty"`
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	UserName    string `json:"userName,omitempty"`
}

// SessionAttributes are strings, as CloudTrail writes them: an RFC 3339 time and
// "true" or "false".
type SessionAttributes struct {
	CreationDate     string `json:"creationDate,omitempty"`
	MFAAuthenticated string `json:"mfaAuthenticated,omitempty"`
}

// Resource is what the call was about.
type Resource struct {
	AccountID string `json:"accountId,omitempty"`
	Type      string `json:"type,omitempty"` // "AWS::KMS::Key"
	ARN       string `json:"ARN,omitempty"`
}

// TLSDetails describes the connection; nil for plain HTTP and the Unix socket.
type TLSDetails struct {
	TLSVersion               string `json:"tlsVersion,omitempty"`
	CipherSuite              string `json:"cipherSuite,omitempty"`
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader,omitempty"`
}

// CloudTrail's limits for one field, in bytes.
const (
	maxDocument = 100 << 10 // requestParameters, responseElements
	maxExtra    = 28 << 10  // additionalEventData
	maxText     = 1 << 10   // what a client can fill: user agent, names, error texts
)

// Encode returns the event on one line, without a line end, at most MaxRecord
// bytes: longer fields are cut or, where they are JSON, replaced by
// {"omitted":true,"originalSize":N}. It fails only if a raw field is not JSON.
func (e Event) Encode() ([]byte, error) {
	e.EventVersion, e.ManagementEvent = "1.11", true
	e.EventTime = e.EventTime.UTC().Truncate(time.Second)
	e.EventType = orElse(e.EventType, "AwsApiCall")
	e.EventCategory = orElse(e.EventCategory, "Management")
	e.clip()
	e.omit(maxDocument, maxExtra)
	line, err := e.encode()
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.EventID, err)
	}
	if len(line) <= MaxRecord {
		return line, nil
	}
	// Every field within its limit, but not all together. Without documents and
	// resources the texts that remain cannot fill a record, even escaped.
	e.omit(0, 0)
	e.Resources = nil
	return e.encode()
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// omit replaces JSON documents that are too long. It leaves the caller's bytes alone.
func (e *Event) omit(document, extra int) {
	for _, f := range []struct {
		doc   *json.RawMessage
		limit int
	}{{&e.RequestParameters, document}, {&e.ResponseElements, document}, {&e.AdditionalEventData, extra}, {&e.ServiceEventDetails, extra}} {
		if len(*f.doc) > f.limit {
			*f.doc = fmt.Appendf(nil, `{"omitted":true,"originalSize":%d}`, len(*f.doc))
		}
	}
}

// clip cuts the texts that come from outside.
func (e *Event) clip() {
	u := &e.UserIdentity
	for _, s := range []*string{
		&e.EventSource, &e.EventName, &e.AWSRegion, &e.SourceIPAddress, &e.UserAgent, &e.ErrorCode, &e.ErrorMessage,
		&e.RequestID, &e.EventID, &e.RecipientAccountID,
		&u.Type, &u.PrincipalID, &u.ARN, &u.AccountID, &u.AccessKeyID, &u.UserName, &u.InvokedBy,
	} {
		*s = clipText(*s)
	}
	if t := e.TLSDetails; t != nil {
		e.TLSDetails = &TLSDetails{t.TLSVersion, t.CipherSuite, clipText(t.ClientProvidedHostHeader)}
	}
}

// clipText cuts s at a character boundary.
func clipText(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
