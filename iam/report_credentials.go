package iam

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/keyd-hsm/keyd/store"
)

// credentialReport is where it stands that a credential report was asked for.
const credentialReport = "iam-credential-report" //nolint:gosec // where a record stands

// reportKept is how long a credential report may be read after it was asked for,
// as in AWS.
const reportKept = 4 * time.Hour

type reportRequest struct {
	Version int       `json:"v"`
	At      time.Time `json:"at"`
}

// Errors of reports that have codes of their own.
var (
	errNoReport = &Error{Code: "ReportNotPresent", Status: 410,
		Message: "There is no credential report. Generate one with GenerateCredentialReport."}
	errOldReport = &Error{Code: "ReportExpired", Status: 410,
		Message: "The credential report has expired. Generate one with GenerateCredentialReport."}
)

// StartCredentialReport allows the credential report to be read for four hours.
func (s *Service) StartCredentialReport(tx Tx) error {
	return put(tx, credentialReport, reportRequest{Version: 1, At: s.now()})
}

// The columns of AWS's credential report.
var reportColumns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
	"password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date",
	"access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
	"access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// What a column says that does not apply, and one that nobody knows.
const (
	notApplicable = "N/A"
	notSupported  = "not_supported"
	noInformation = "no_information"
)

// CredentialReport is the report on all users and their access keys, as CSV, and
// the time it is of, which is now. ReportNotPresent or ReportExpired if it has
// not been asked for by StartCredentialReport.
func (s *Service) CredentialReport(tx Tx) ([]byte, time.Time, error) {
	asked, err := load[reportRequest](tx, credentialReport)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, time.Time{}, errNoReport
	case err != nil:
		return nil, time.Time{}, err
	case s.now().Sub(asked.At) > reportKept:
		return nil, time.Time{}, errOldReport
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.Write(reportColumns); err != nil {
		return nil, time.Time{}, err
	}
	root, err := s.rootRow(tx)
	if err != nil {
		return nil, time.Time{}, err
	}
	if err := w.Write(root); err != nil {
		return nil, time.Time{}, err
	}
	for path, value := range tx.Scan(users, "") {
		var u User
		if err := json.Unmarshal(value, &u); err != nil {
			return nil, time.Time{}, fmt.Errorf("record %s: %w", path, err)
		}
		row, err := s.userRow(tx, &u)
		if err != nil {
			return nil, time.Time{}, err
		}
		if err := w.Write(row); err != nil {
			return nil, time.Time{}, err
		}
	}
	w.Flush()
	return out.Bytes(), s.now(), w.Error()
}

func (s *Service) rootRow(tx Tx) ([]string, error) {
	keys, since, err := s.keyColumns(tx, "")
	made := noInformation
	if !since.IsZero() {
		made = reportTime(since)
	}
	row := []string{"<root_account>", Root(s.account).ARN, made, notSupported, noInformation, notSupported, notSupported, hasMFA(tx, s.account)}
	return append(append(row, keys...), certColumns...), err
}

func (s *Service) userRow(tx Tx, u *User) ([]string, error) {
	keys, _, err := s.keyColumns(tx, u.Name)
	row := []string{u.Name, u.ARN(), reportTime(u.Created), "false", notApplicable, notApplicable, notApplicable, hasMFA(tx, u.ID)}
	return append(append(row, keys...), certColumns...), err
}

func hasMFA(tx Tx, owner string) string { return strconv.FormatBool(some(tx, mfaOf+owner+"/")) }

// certColumns: there are no signing certificates.
var certColumns = []string{"false", notApplicable, "false", notApplicable}

// keyColumns are the columns of the two oldest access keys of a user, of the root
// user for "", and when the oldest was made.
func (s *Service) keyColumns(tx Tx, user string) (columns []string, since time.Time, err error) {
	keys, _, err := s.AccessKeys(tx, user, Page{})
	if err != nil {
		return nil, since, err
	}
	slices.SortFunc(keys, func(a, b *AccessKey) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	for i := range 2 {
		if i >= len(keys) {
			columns = append(columns, "false", notApplicable, notApplicable, notApplicable, notApplicable)
			continue
		}
		use, err := s.LastUse(tx, keys[i].ID)
		if err != nil {
			return nil, since, err
		}
		columns = append(columns, strconv.FormatBool(keys[i].Active), reportTime(keys[i].Created))
		if use.At.IsZero() {
			columns = append(columns, notApplicable, notApplicable, notApplicable)
		} else {
			columns = append(columns, reportTime(use.At), use.Region, use.Service)
		}
	}
	if len(keys) > 0 {
		since = keys[0].Created
	}
	return columns, since, nil
}

// reportTime is a time as AWS writes it in reports.
func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }
