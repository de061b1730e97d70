//! Every action that policy knows. Routes and use cases name one of these.

/// The closed list. The Cedar action id is [`Action::name`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Action {
    // own account (every active account)
    UseOwnAccount,
    ChangeOwnSignIn,
    // accounts
    ListAccounts,
    InviteStaff,
    SuspendAccount,
    ReinstateAccount,
    ResetFactor,
    RevokeSession,
    LinkAccount,
    // patients
    SearchPatients,
    ListCarePatients,
    CreatePatient,
    ReadDemographics,
    AmendPatient,
    AssignCareTeam,
    IssueActivationCode,
    // charts
    OpenChart,
    ReadRecord,
    WriteRecord,
    AmendRecord,
    VoidRecord,
    ReadDocument,
    UploadDocument,
    VoidDocument,
    ReadAccessHistory,
    // stroke
    ListAssessments,
    ReadAssessment,
    WriteAssessment,
    AmendAssessment,
    VoidAssessment,
    ImportAssessments,
    ExportAssessments,
    SummariseAssessments,
    // the house
    ReadLog,
    ExportLog,
    ReadHealth,
    RunVerification,
    ExplainPolicy,
    // background jobs, as actors with one narrow role
    RunJob,
}

impl Action {
    pub const ALL: &'static [Action] = &[
        Action::UseOwnAccount,
        Action::ChangeOwnSignIn,
        Action::ListAccounts,
        Action::InviteStaff,
        Action::SuspendAccount,
        Action::ReinstateAccount,
        Action::ResetFactor,
        Action::RevokeSession,
        Action::LinkAccount,
        Action::SearchPatients,
        Action::ListCarePatients,
        Action::CreatePatient,
        Action::ReadDemographics,
        Action::AmendPatient,
        Action::AssignCareTeam,
        Action::IssueActivationCode,
        Action::OpenChart,
        Action::ReadRecord,
        Action::WriteRecord,
        Action::AmendRecord,
        Action::VoidRecord,
        Action::ReadDocument,
        Action::UploadDocument,
        Action::VoidDocument,
        Action::ReadAccessHistory,
        Action::ListAssessments,
        Action::ReadAssessment,
        Action::WriteAssessment,
        Action::AmendAssessment,
        Action::VoidAssessment,
        Action::ImportAssessments,
        Action::ExportAssessments,
        Action::SummariseAssessments,
        Action::ReadLog,
        Action::ExportLog,
        Action::ReadHealth,
        Action::RunVerification,
        Action::ExplainPolicy,
        Action::RunJob,
    ];
    /// The action of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
    /// `open_chart` and so on: the Cedar action id and the name in the matrix.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Action::UseOwnAccount => "use_own_account",
            Action::ChangeOwnSignIn => "change_own_sign_in",
            Action::ListAccounts => "list_accounts",
            Action::InviteStaff => "invite_staff",
            Action::SuspendAccount => "suspend_account",
            Action::ReinstateAccount => "reinstate_account",
            Action::ResetFactor => "reset_factor",
            Action::RevokeSession => "revoke_session",
            Action::LinkAccount => "link_account",
            Action::SearchPatients => "search_patients",
            Action::ListCarePatients => "list_care_patients",
            Action::CreatePatient => "create_patient",
            Action::ReadDemographics => "read_demographics",
            Action::AmendPatient => "amend_patient",
            Action::AssignCareTeam => "assign_care_team",
            Action::IssueActivationCode => "issue_activation_code",
            Action::OpenChart => "open_chart",
            Action::ReadRecord => "read_record",
            Action::WriteRecord => "write_record",
            Action::AmendRecord => "amend_record",
            Action::VoidRecord => "void_record",
            Action::ReadDocument => "read_document",
            Action::UploadDocument => "upload_document",
            Action::VoidDocument => "void_document",
            Action::ReadAccessHistory => "read_access_history",
            Action::ListAssessments => "list_assessments",
            Action::ReadAssessment => "read_assessment",
            Action::WriteAssessment => "write_assessment",
            Action::AmendAssessment => "amend_assessment",
            Action::VoidAssessment => "void_assessment",
            Action::ImportAssessments => "import_assessments",
            Action::ExportAssessments => "export_assessments",
            Action::SummariseAssessments => "summarise_assessments",
            Action::ReadLog => "read_log",
            Action::ExportLog => "export_log",
            Action::ReadHealth => "read_health",
            Action::RunVerification => "run_verification",
            Action::ExplainPolicy => "explain_policy",
            Action::RunJob => "run_job",
        }
    }
}
