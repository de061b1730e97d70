//! What each action is called where people ask about it.

use wardkeep_policy::Action;

/// As in "may this person …".
#[must_use]
pub fn words(action: Action) -> &'static str {
    match action {
        Action::UseOwnAccount => "Use the own account",
        Action::ChangeOwnSignIn => "Change how they sign in themselves",
        Action::ListAccounts => "See the list of accounts",
        Action::InviteStaff => "Invite staff",
        Action::SuspendAccount => "Suspend an account",
        Action::ReinstateAccount => "Reinstate an account",
        Action::ResetFactor => "Reset a second factor",
        Action::RevokeSession => "End somebody's sessions",
        Action::LinkAccount => "Link an account to a patient",
        Action::SearchPatients => "Search for patients",
        Action::ListCarePatients => "See the list of their own patients",
        Action::CreatePatient => "Register a patient",
        Action::ReadDemographics => "See a patient's details",
        Action::AmendPatient => "Correct a patient's details",
        Action::AssignCareTeam => "Change a care team",
        Action::IssueActivationCode => "Print an activation code",
        Action::OpenChart => "Open a chart",
        Action::ReadRecord => "Read records",
        Action::WriteRecord => "Write a record",
        Action::AmendRecord => "Amend a record",
        Action::VoidRecord => "Void a record",
        Action::ReadDocument => "Read documents",
        Action::UploadDocument => "Add a document",
        Action::VoidDocument => "Void a document",
        Action::ReadAccessHistory => "See who opened a record",
        Action::ListAssessments => "See the list of stroke assessments",
        Action::ReadAssessment => "Read a stroke assessment",
        Action::WriteAssessment => "Write a stroke assessment",
        Action::AmendAssessment => "Amend a stroke assessment",
        Action::VoidAssessment => "Void a stroke assessment",
        Action::ImportAssessments => "Import stroke assessments",
        Action::ExportAssessments => "Export stroke assessments",
        Action::SummariseAssessments => "See sums of stroke assessments",
        Action::ReadLog => "Read the log",
        Action::ExportLog => "Export the log",
        Action::ReadHealth => "See the system's health",
        Action::RunVerification => "Verify the records",
        Action::ExplainPolicy => "Ask about the rules",
        Action::RunJob => "Do a background job",
    }
}
