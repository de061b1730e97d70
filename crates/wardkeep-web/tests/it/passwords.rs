//! Passwords as their owners choose, type and change them, through the pages.

use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::{LENGTH_MAX, LENGTH_MIN};

use crate::samples::routes;
use crate::site::{Answer, Site};

async fn register(site: &Site, email: &str, password: &str) -> Answer {
    let fields = [("email", email), ("display_name", "Pat Newcomer"), ("password", password), ("password_again", password)];
    site.knock("/register", &fields).await
}

/// Does the password step let this in?
async fn opens(site: &Site, email: &str, password: &str) -> bool {
    site.knock("/sign-in", &[("email", email), ("password", password)]).await.status == 303
}

// ASVS 6.2.1, 6.2.5, 6.2.9
#[tokio::test]
async fn length_is_counted_in_characters_and_nothing_else_is_asked_of_a_password() {
    let site = Site::open().await;
    let long = |length: usize| "wxyz ".repeat(60).chars().take(length - 1).chain(['!']).collect::<String>();
    let words =
        ["only lower case", "ONLY UPPER CASE", "8263517409", "¡§¶•ªº–≠", "пароль на русском", "密碼是很長的一句話", "      \t     x      "];
    let lengths = [LENGTH_MIN, 64, 65, 73, 128, 200, LENGTH_MAX].map(long);
    for (number, good) in (0..).zip(words.iter().map(|word| (*word).to_owned()).chain(lengths)) {
        let email = format!("taken{number}@site.example");
        let answer = register(&site, &email, &good).await;
        assert_eq!(answer.status, 303, "{good}: {}", answer.text());
        assert!(opens(&site, &email, &good).await, "{good}");
    }
    for (bad, says) in
        [("velvet7", "at least 8"), ("💜🏥🐎🔋📎🌂🎈", "at least 8"), ("   ", "at least 8"), (&long(LENGTH_MAX + 1), "at most 256")]
    {
        let answer = register(&site, "refused@site.example", bad).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(answer.text().contains(says), "{bad}");
    }
}

// ASVS 6.2.8
#[tokio::test]
async fn a_password_is_compared_whole_and_as_it_was_typed() {
    let site = Site::open().await;
    let long: String = "quiet engine paints hills, ".repeat(9);
    let changed = |at: usize, to: &str| format!("{}{to}{}", &long[..at], &long[at + 1..]);
    let email = "long@site.example";
    assert_eq!(register(&site, email, &long).await.status, 303);
    let wrong = [changed(73, "~"), changed(128, "~"), changed(long.len() - 1, "~"), long.trim().to_owned()];
    for wrong in &wrong {
        assert!(!opens(&site, email, wrong).await, "{wrong}");
    }
    assert!(opens(&site, email, &long).await);
    for wrong in [format!("{long}x"), long.to_uppercase(), format!("{long}{}", "x".repeat(5000))] {
        assert!(!opens(&site, email, &wrong).await, "{}", wrong.len());
    }
    // One keyboard sends é as one character, another as two; it is the same password.
    assert_eq!(register(&site, "accent@site.example", "caf\u{e9} noir au soleil").await.status, 303);
    assert!(opens(&site, "accent@site.example", "cafe\u{301} noir au soleil").await);
    assert!(!opens(&site, "accent@site.example", "cafe noir au soleil").await);
}

// ASVS 6.2.11
#[tokio::test]
async fn words_of_the_person_the_hospital_and_the_product_make_no_password() {
    let site = Site::open().await;
    for bad in [
        "newcomer2026",
        "NewComer!!",
        "site general",
        "SiteGeneral1",
        "general-2026",
        "wardkeep",
        "Wardkeep2026!",
        "pat.newcomer@site.example",
    ] {
        let answer = register(&site, "pat.newcomer@site.example", bad).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(answer.text().contains("Do not build it from your name"), "{bad}");
    }
    let doctor = site.person(Role::Doctor);
    let fields = [("password", crate::site::PASSWORD), ("new_password", "wardkeep99"), ("new_password_again", "wardkeep99")];
    assert_eq!(site.post(doctor, "/security/password", &fields).await.status, 422, "nor when it is changed");
}

// ASVS 6.2.2, 6.2.3, 7.4.3
#[tokio::test]
async fn a_changed_password_takes_the_old_one_and_ends_all_other_sessions() {
    let site = Site::open().await;
    let second = site.sign_in_again(site.person(Role::Doctor)).await;
    let doctor = site.person(Role::Doctor);
    let change = async |who, password, again| {
        let fields = [("password", password), ("new_password", "amber river folds maps"), ("new_password_again", again)];
        site.post(who, "/security/password", &fields).await
    };
    let new = "amber river folds maps";
    for (password, again, says) in [
        ("wrong wrong wrong", new, "not your current password"),
        ("", new, "not your current password"),
        (crate::site::PASSWORD, "amber", "differ"),
    ] {
        let answer = change(doctor, password, again).await;
        assert_eq!(answer.status, 422, "{password}");
        assert!(answer.text().contains(says), "{password}");
    }
    assert_eq!(site.get(Some(&second), "/security").await.status, 200);
    assert_eq!(change(doctor, crate::site::PASSWORD, new).await.status, 303);
    assert_eq!(site.get(Some(doctor), "/security").await.status, 200, "this one goes on");
    assert_eq!(site.get(Some(&second), "/security").await.header("location"), "/sign-in");
    assert!(!opens(&site, &doctor.email, crate::site::PASSWORD).await);
    assert!(opens(&site, &doctor.email, new).await);
}

/// The `<input …>` elements of a page.
fn inputs(page: &str) -> Vec<&str> {
    page.split("<input").skip(1).filter_map(|rest| rest.split('>').next()).collect()
}

// ASVS 6.2.6, 6.2.7
#[tokio::test]
async fn every_password_field_hides_what_is_typed_and_takes_what_a_manager_fills_in() {
    let site = Site::open().await;
    let invited = site.app.invite(&site.operator(), "invited@site.example", "Invited Nurse", "nurse").await.unwrap().1;
    let mut pages = vec![
        site.get(None, "/sign-in").await,
        site.get(None, "/register").await,
        site.get(None, &format!("/invitation/{invited}")).await,
        site.get(Some(site.person(Role::Nurse)), "/security").await,
    ];
    let mut fields = 0;
    for page in pages.drain(..).map(|page| page.text()) {
        for field in inputs(&page).into_iter().filter(|field| field.contains("password")) {
            fields += 1;
            assert!(field.contains("type=\"password\""), "{field}");
            assert!(field.contains("autocomplete=\"current-password\"") || field.contains("autocomplete=\"new-password\""), "{field}");
            assert!(!field.contains("maxlength") && !field.contains("readonly") && !field.contains("value=\"v"), "{field}");
        }
    }
    assert_eq!(fields, 8, "sign-in 1, register 2, invitation 2, change 3");
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/app.js")).unwrap();
    assert!(!script.contains("paste"), "nothing stands in the way of pasting");
}

// ASVS 6.2.10
#[tokio::test]
async fn a_password_gets_in_five_years_later() {
    let site = Site::open().await;
    site.pass_ms(5 * 366 * 24 * 60 * 60 * 1000);
    assert!(opens(&site, "doctor@site.example", crate::site::PASSWORD).await);
    let again = site.sign_in_again(site.person(Role::Doctor)).await;
    assert_eq!(site.get(Some(&again), "/").await.status, 200, "and nothing asks for a new one");
}

// ASVS 6.4.2
#[tokio::test]
async fn nobody_is_asked_what_others_could_know_and_no_hint_is_kept() {
    let site = Site::open().await;
    for (path, wanted) in
        [("/sign-in", &["email", "password"][..]), ("/register", &["email", "display_name", "password", "password_again"])]
    {
        let page = site.get(None, path).await.text();
        let named = inputs(&page).into_iter().filter_map(|field| field.split("name=\"").nth(1)?.split('"').next());
        // The passkey's answer, which the browser fills in: a form of its own.
        let names: Vec<&str> = named.filter(|name| *name != "answer").collect();
        assert_eq!(names, wanted, "{path}");
        for more in ["hint", "question", "mothers_name"] {
            let mut fields: Vec<(&str, &str)> = wanted.iter().map(|name| (*name, "velvet orchard counts rain")).collect();
            fields.push((more, "x"));
            assert_eq!(site.knock(path, &fields).await.status, 400, "{path} with {more}");
        }
    }
}

// ASVS 6.4.6
#[tokio::test]
async fn an_administrator_removes_a_factor_and_chooses_no_password_and_no_factor() {
    let site = Site::open().await;
    let (administrator, nurse) = (site.person(Role::Administrator), site.person(Role::Nurse));
    for path in ["/accounts", "/accounts/invite"] {
        let page = site.get(Some(administrator), path).await.text();
        for field in inputs(&page) {
            assert!(!["password", "secret", "totp", "\"code\""].iter().any(|word| field.contains(word)), "{path}: {field}");
        }
    }
    for route in routes().iter().filter(|route| route.method == "POST" && route.path.starts_with("/accounts/")) {
        let path = route.path.replace("{account}", &nurse.id.to_string());
        for field in ["password", "new_password", "secret", "code", "key"] {
            let answer = site.post(administrator, &path, &[(field, "amber river folds maps")]).await;
            assert_eq!(answer.status, 400, "{path} with {field}");
        }
    }
    let link = site.app.invite(&site.operator(), "chosen@site.example", "Chosen Nurse", "nurse").await.unwrap().1;
    let choice =
        [("email", ""), ("display_name", ""), ("password", "silver kettle maps stars"), ("password_again", "silver kettle maps stars")];
    assert_eq!(site.knock(&format!("/invitation/{link}"), &choice).await.status, 303, "the invited person chooses");
    assert!(opens(&site, &nurse.email, crate::site::PASSWORD).await, "the nurse's is as it was");
}
