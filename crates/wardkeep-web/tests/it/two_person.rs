//! What one person may not do alone, on the pages: asked for, decided on by another, done once.

use wardkeep_domain::AccountId;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::STEP_UP_MS_MAX;
use wardkeep_domain::request::{APPROVAL_MS_MAX, WAITING_MS_MAX};

use crate::site::{Answer, PASSWORD, Person, Site};

const REASON: &str = "Lost the telephone; identity seen at the desk.";

/// The hidden fields of the form in an answer, as a browser would send them back.
fn filled_in(answer: &Answer) -> Vec<(String, String)> {
    let text = answer.text();
    let fields = text.split("<input type=\"hidden\" name=\"").skip(1).filter_map(|field| field.split_once("\" value=\""));
    let fields = fields.filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once('"')?.0.replace("&#38;", "&"))));
    fields.filter(|(name, _)| name != "csrf" && name != "theme" && name != "back").collect()
}

/// Tries an act that needs two, and asks with the form that comes up; gives the request's address.
async fn ask(site: &Site, who: &Person, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = site.post(who, path, fields).await;
    assert_eq!(answer.status, 409, "{path}");
    assert!(answer.text().contains("This needs a second person"), "{path}: {}", answer.text());
    let form = filled_in(&answer);
    let mut form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form.push(("reason", REASON));
    let asked = site.post(who, "/requests/ask", &form).await;
    assert_eq!((asked.status.as_u16(), asked.header("location")), (303, "/requests"), "{}", asked.text());
    let listed = site.get(Some(who), "/requests").await.text();
    let own = listed.split("Your requests").nth(1).unwrap();
    format!("/requests/{}", &own.split("href=\"/requests/").nth(1).unwrap()[..36])
}

async fn decide(site: &Site, who: &Person, request: &str) -> u16 {
    site.post(who, &format!("{request}/approve"), &[]).await.status.as_u16()
}

async fn use_it(site: &Site, who: &Person, request: &str) -> Answer {
    site.post(who, &format!("{request}/use"), &[]).await
}

/// Takes somebody's second factor away as two people do it.
pub async fn reset(site: &Site, administrator: &Person, account: AccountId) {
    let request = ask(site, administrator, &format!("/accounts/{account}/reset-factor"), &[]).await;
    let privacy = site.sign_in_again(site.person(Role::PrivacyOfficer)).await;
    assert_eq!(decide(site, &privacy, &request).await, 303);
    assert_eq!(use_it(site, administrator, &request).await.status, 303);
}

#[tokio::test]
async fn an_administrator_is_invited_by_two_and_the_asker_is_never_the_second() {
    let site = Site::open().await;
    let (administrator, privacy) = (site.person(Role::Administrator), site.person(Role::PrivacyOfficer));
    let fields = [("email", "third@site.example"), ("display_name", "Third Chief"), ("role", "administrator")];
    let request = ask(&site, administrator, "/accounts/invite", &fields).await;
    let page = site.get(Some(administrator), &request).await.text();
    assert!(page.contains("You cannot decide on it yourself") && !page.contains("/approve"), "{page}");
    assert_eq!(use_it(&site, administrator, &request).await.status, 409, "not approved yet");
    assert_eq!(decide(&site, administrator, &request).await, 403, "the asker");
    for outsider in [Role::Doctor, Role::Nurse, Role::Registrar, Role::Patient] {
        assert_eq!(decide(&site, site.person(outsider), &request).await, 404, "{outsider:?}");
    }
    assert!(site.get(Some(privacy), "/").await.text().contains("1 request waits for a second person"));
    let page = site.get(Some(privacy), &request).await.text();
    assert!(page.contains("third@site.example") && page.contains(REASON) && page.contains("Administrator"), "{page}");
    assert_eq!(decide(&site, privacy, &request).await, 303);
    assert_eq!(decide(&site, privacy, &request).await, 409, "decided already");
    assert_eq!(use_it(&site, privacy, &request).await.status, 404, "for who asked alone");
    assert_eq!(use_it(&site, &site.deputy, &request).await.status, 404, "for who asked alone");
    assert!(site.get(Some(administrator), "/").await.text().contains("1 of your requests is ready to use"));
    let made = use_it(&site, administrator, &request).await;
    let link = format!("/invitation/{}", &made.text().split("/invitation/").nth(1).unwrap()[..43]);
    assert_eq!(use_it(&site, administrator, &request).await.status, 409, "once");
    let account = [("email", ""), ("display_name", ""), ("password", PASSWORD), ("password_again", PASSWORD)];
    assert_eq!(site.knock(&link, &account).await.header("location"), "/sign-in");
}

#[tokio::test]
async fn whoever_decides_on_requests_is_let_in_by_two_and_others_by_one() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    for role in ["administrator", "privacy_officer"] {
        let fields = [("email", "new@site.example"), ("display_name", "New Person"), ("role", role)];
        assert_eq!(site.post(administrator, "/accounts/invite", &fields).await.status, 409, "{role}");
    }
    let fields = [("email", "new@site.example"), ("display_name", "New Nurse"), ("role", "nurse")];
    assert!(site.post(administrator, "/accounts/invite", &fields).await.text().contains("/invitation/"));
    // The form of another site's making asks for nothing that its sender may not do.
    let grant = [("kind", "grant_role"), ("email", "x@site.example"), ("display_name", "X"), ("role", "administrator"), ("reason", REASON)];
    for (role, status) in [(Role::Doctor, 403), (Role::PrivacyOfficer, 403), (Role::Nurse, 403), (Role::Patient, 403)] {
        assert_eq!(site.post(site.person(role), "/requests/ask", &grant).await.status, status, "{role:?}");
    }
}

// ASVS 6.4.4
#[tokio::test]
async fn a_factor_is_reset_by_two_people_neither_of_whom_it_belongs_to() {
    let site = Site::open().await;
    let (administrator, privacy) = (site.person(Role::Administrator), site.person(Role::PrivacyOfficer));
    let path = format!("/accounts/{}/reset-factor", privacy.id);
    let request = ask(&site, administrator, &path, &[]).await;
    assert_eq!(decide(&site, privacy, &request).await, 403, "about their own account");
    assert_eq!(decide(&site, &site.deputy, &request).await, 303);
    assert_eq!(site.get(Some(privacy), "/security").await.status, 200, "an approval alone does nothing");
    let done = use_it(&site, administrator, &request).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/accounts"));
    assert_eq!(site.get(Some(privacy), "/security").await.header("location"), "/sign-in", "sessions have ended");
    let answer = site.knock("/sign-in", &[("email", &privacy.email), ("password", PASSWORD)]).await;
    assert_eq!(answer.header("location"), "/sign-in/enrol");
    let account = site.app.account_by_email(&site.operator(), &privacy.email).await.unwrap().account;
    assert!(account.notice.unwrap().contains("with the consent of a second person"));
}

#[tokio::test]
async fn a_refusal_carries_its_note_to_who_asked_and_ends_the_request() {
    let site = Site::open().await;
    let (administrator, nurse) = (site.person(Role::Administrator), site.person(Role::Nurse));
    let request = ask(&site, administrator, &format!("/accounts/{}/reset-factor", nurse.id), &[]).await;
    let empty = site.post(&site.deputy, &format!("{request}/refuse"), &[("note", " ")]).await;
    assert_eq!(empty.status, 422);
    assert!(empty.text().contains("<title>Error: "));
    let note = [("note", "She signed in ten minutes ago.")];
    assert_eq!(site.post(administrator, &format!("{request}/refuse"), &note).await.status, 403, "not one's own");
    assert_eq!(site.post(&site.deputy, &format!("{request}/refuse"), &note).await.status, 303);
    assert!(site.get(Some(administrator), &request).await.text().contains("She signed in ten minutes ago."));
    assert_eq!(decide(&site, site.person(Role::PrivacyOfficer), &request).await, 409);
    assert_eq!(use_it(&site, administrator, &request).await.status, 409);
}

#[tokio::test]
async fn a_request_waits_a_day_an_approval_an_hour_and_both_want_a_fresh_code() {
    let site = Site::open().await;
    let nurse = site.person(Role::Nurse);
    let path = format!("/accounts/{}/reset-factor", nurse.id);
    let late = ask(&site, site.person(Role::Administrator), &path, &[]).await;
    site.pass_ms(STEP_UP_MS_MAX);
    let stale = site.post(&site.deputy, &format!("{late}/approve"), &[]).await;
    assert_eq!(stale.header("location"), format!("/security/confirm?next={late}"));
    site.pass_ms(WAITING_MS_MAX - STEP_UP_MS_MAX - 2 * 60_000);
    let administrator = site.sign_in_again(site.person(Role::Administrator)).await;
    let deputy = site.sign_in_again(&site.deputy).await;
    assert_eq!(decide(&site, &deputy, &late).await, 409, "a day has passed");
    assert!(site.get(Some(&administrator), &late).await.text().contains("Expired"));
    let request = ask(&site, &administrator, &path, &[]).await;
    assert_eq!(decide(&site, &deputy, &request).await, 303);
    site.pass_ms(STEP_UP_MS_MAX);
    let stale = use_it(&site, &administrator, &request).await;
    assert_eq!(stale.header("location"), format!("/security/confirm?next={request}"));
    site.pass_ms(APPROVAL_MS_MAX - STEP_UP_MS_MAX - 60_000);
    let administrator = site.sign_in_again(&administrator).await;
    let answer = use_it(&site, &administrator, &request).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("has expired"), "{}", answer.text());
}

#[tokio::test]
async fn of_two_uses_at_once_one_does_it() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    let fields = [("email", "third@site.example"), ("display_name", "Third Chief"), ("role", "administrator")];
    let request = ask(&site, administrator, "/accounts/invite", &fields).await;
    assert_eq!(decide(&site, &site.deputy, &request).await, 303);
    let uses = futures::future::join_all((0..4).map(|_| use_it(&site, administrator, &request))).await;
    let mut statuses: Vec<u16> = uses.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    let listed = site.app.accounts(&site.operator(), Some(Role::Administrator), None, None).await.unwrap().items;
    assert_eq!(listed.iter().filter(|view| view.account.email.as_str() == "third@site.example").count(), 1);
}

#[tokio::test]
async fn an_approval_of_somebody_who_was_suspended_meanwhile_does_not_count() {
    let site = Site::open().await;
    let (administrator, nurse) = (site.person(Role::Administrator), site.person(Role::Nurse));
    let path = format!("/accounts/{}/reset-factor", nurse.id);
    let (approved, waiting) = (ask(&site, administrator, &path, &[]).await, ask(&site, administrator, &path, &[]).await);
    assert_eq!(decide(&site, &site.deputy, &approved).await, 303);
    site.app.suspend(&site.operator(), site.deputy.id).await.unwrap();
    assert_eq!(decide(&site, &site.deputy, &waiting).await, 303, "to the sign-in page");
    assert!(site.get(Some(administrator), &waiting).await.text().contains("Waiting"));
    let answer = use_it(&site, administrator, &approved).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("may not decide on it any more"), "{}", answer.text());
}

#[tokio::test]
async fn a_small_export_needs_a_code_and_a_large_one_a_privacy_officer() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let (administrator, privacy) = (site.person(Role::Administrator), site.person(Role::PrivacyOfficer));
    let filter = [("class", "accounts.read")];
    let ctx = site.ctx(administrator).await;
    for _ in 0..500 {
        site.app.accounts(&ctx, None, None, None).await.unwrap();
    }
    assert_eq!(site.post(administrator, "/log/export", &filter).await.status, 200, "five hundred rows");
    site.app.accounts(&ctx, None, None, None).await.unwrap();
    let request = ask(&site, administrator, "/log/export", &filter).await;
    assert_eq!(decide(&site, &site.deputy, &request).await, 403, "no privacy officer");
    assert_eq!(decide(&site, privacy, &request).await, 303);
    let csv = use_it(&site, administrator, &request).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let text = csv.text();
    let rows: Vec<&str> = text.lines().skip(1).filter(|line| !line.starts_with('#')).collect();
    assert!(rows.len() == 501 && rows.iter().all(|row| row.contains("accounts.read")), "{} rows", rows.len());
    assert_eq!(use_it(&site, administrator, &request).await.status, 409, "once");
    // The only privacy officer cannot be her own second person, and is told what to do.
    let answer = site.post(privacy, "/log/export", &filter).await;
    let form = filled_in(&answer);
    let mut form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form.push(("reason", REASON));
    let alone = site.post(privacy, "/requests/ask", &form).await;
    assert_eq!(alone.status, 409);
    assert!(alone.text().contains("another active privacy officer"), "{}", alone.text());
}

#[tokio::test]
async fn whoever_may_export_takes_many_assessments_away_once_a_privacy_officer_agreed() {
    let site = Site::open().await;
    let file = wardkeep_domain::stroke::generate::csv(501, 3);
    site.app.import(&site.operator(), file.as_bytes(), false, &|_, _| {}).await.unwrap();
    for role in [Role::Doctor, Role::StrokeCoordinator, Role::Researcher] {
        let asker = site.person(role);
        let request = ask(&site, asker, "/stroke/export", &[]).await;
        assert_eq!(site.get(Some(&site.other), &request).await.status, 404, "another person's");
        assert_eq!(decide(&site, site.person(Role::Administrator), &request).await, 403);
        assert_eq!(decide(&site, site.person(Role::PrivacyOfficer), &request).await, 303);
        assert_eq!(use_it(&site, asker, &request).await.text(), file, "{role:?}");
        assert_eq!(use_it(&site, asker, &request).await.status, 409, "once");
    }
}

#[tokio::test]
async fn each_step_is_in_the_log_with_its_kind_and_reason() {
    let site = Site::open().await;
    let (administrator, privacy) = (site.person(Role::Administrator), site.person(Role::PrivacyOfficer));
    let request = ask(&site, administrator, &format!("/accounts/{}/reset-factor", site.person(Role::Nurse).id), &[]).await;
    assert_eq!(decide(&site, privacy, &request).await, 303);
    assert_eq!(use_it(&site, administrator, &request).await.status, 303);
    let ctx = site.ctx(privacy).await;
    let id = request.rsplit('/').next().unwrap().replace('-', "");
    for (class, step) in [("approval.asked", "asked"), ("approval.decided", "approved"), ("factor.reset", "")] {
        let filter = wardkeep_app::audit::LogFilter { class: wardkeep_ledger::Class::from_name(class), ..Default::default() };
        let row = site.app.read_log(&ctx, &filter, None).await.unwrap().rows.remove(0);
        assert_eq!(row.event.detail("request"), Some(id.as_str()), "{class}");
        assert_eq!(row.event.detail("step").unwrap_or_default(), step, "{class}");
        if class != "approval.decided" {
            assert_eq!(row.reason, REASON, "{class}");
        }
    }
}
