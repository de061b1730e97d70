//! Every action that policy knows. Routes and use cases name one of these.

/// The closed list. The Cedar action id is [`Action::name`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Action {
    // own account (every active account)
    UseOwnAccount,
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
    // background jobs, as actors with one narrow role
    RunJob,
}

impl Action {
    pub const ALL: &'static [Action] = &[
        Action::UseOwnAccount, Action::ListAccounts, Action::InviteStaff, Action::SuspendAccount, Action::ReinstateAccount, Action::ResetFactor,
        Action::RevokeSession, Action::LinkAccount, Action::SearchPatients, Action::ListCarePatients, Action::CreatePatient, Action::ReadDemographics,
        Action::AmendPatient, Action::AssignCareTeam, Action::IssueActivationCode, Action::OpenChart, Action::ReadRecord, Action::WriteRecord,
        Action::AmendRecord, Action::VoidRecord, Action::ReadDocument, Action::UploadDocument, Action::VoidDocument, Action::ReadAccessHistory,
        Action::ListAssessments, Action::ReadAssessment, Action::WriteAssessment, Action::AmendAssessment, Action::VoidAssessment,
        Action::ImportAssessments, Action::ExportAssessments, Action::SummariseAssessments, Action::ReadLog, Action::ExportLog, Action::ReadHealth,
        Action::RunVerification, Action::RunJob,
    ];
    /// `open_chart` and so on: the Cedar action id and the name in the matrix.
    #[must_use]
    pub fn name(self) -> &'static str {
        todo!("policy helper")
    }
}
