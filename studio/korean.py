"""The Korean of every sentence of the studio, by its English; a test sees that none is missing."""

KOREAN = {
    # Header and navigation
    "Bundle": "번들",
    "Left out": "제외됨",
    "Trying the bundles": "번들을 시험하는 중입니다",
    "The studio is busy. Try again in a moment.": ("스튜디오가 붐빕니다. 잠시 후 다시 시도하세요."),
    "No bundle yet": "아직 번들이 없습니다",
    "{folder} has no bundle to show. Train a model and export it:": (
        "{folder}에 보여 줄 번들이 없습니다. 모델을 학습시킨 뒤 내보내세요:"
    ),
    "Then reload this page.": "그런 다음 이 페이지를 새로 고치세요.",
    "latent size {size}": "잠재 차원 {size}",
    # Settings that pages share
    "Prior": "사전 분포",
    "Standard is N(0, I); gaussian and fitted (a mixture) follow the training codes.": (
        "standard는 N(0, I)이고, gaussian과 fitted(혼합 분포)는 학습 데이터의 코드를 따릅니다."
    ),
    "Class": "클래스",
    "drawn by share": "비율대로 뽑기",
    # Sample
    "Sample": "샘플",
    "Draw new images": "새 이미지 뽑기",
    "Look closely at image": "자세히 볼 이미지",
    "Images": "이미지 수",
    "Seed": "시드",
    "Spread": "퍼짐",
    "At 0 all images are the average one; above 1 they grow rarer and stranger.": (
        "0이면 모든 이미지가 평균 이미지이고, 1보다 크면 점점 드물고 낯선 이미지가 나옵니다."
    ),
    "Images drawn from {origin}: count {count}, seed {seed}": (
        "{origin}에서 뽑은 이미지: {count}장, 시드 {seed}"
    ),
    ", class {name}": ", 클래스 {name}",
    "Download PNG": "PNG 내려받기",
    "Download codes (NPZ)": "코드 내려받기 (NPZ)",
    "The same images in Python": "같은 이미지를 파이썬으로",
    "Image {number}, enlarged": "이미지 {number} 확대",
    "Its code: {size} numbers": "이 이미지의 코드: 숫자 {size}개",
    "The nearest codes of test images decode to:": "가장 가까운 시험 이미지 코드들의 디코딩:",
    "What the nearest stored codes decode to": "가장 가까운 저장된 코드들의 디코딩 결과",
    "Their classes: {names}": "그 클래스: {names}",
    "Show on the latent map": "잠재 공간 지도에서 보기",
    "Morph from this image": "이 이미지에서 모핑 시작",
    # Latent map
    "Latent map": "잠재 공간 지도",
    "Decoding the map": "지도를 디코딩하는 중입니다",
    "x points to image": "x축이 향할 이미지",
    "Decoded grid": "디코딩 격자",
    "The images that the places of the map decode to, laid behind it.": (
        "지도의 각 위치를 디코딩한 이미지를 지도 뒤에 깔아 보여 줍니다."
    ),
    "Fog over the holes": "구멍을 안개로 가리기",
    "Greys out every place that is too far from any stored code.": (
        "저장된 어느 코드에서도 너무 먼 위치를 모두 회색으로 가립니다."
    ),
    "Latent map of {origin}; chosen point {x}, {y}": (
        "{origin}의 잠재 공간 지도, 고른 점 ({x}, {y})"
    ),
    "Codes of this model have {size} numbers. The map is the plane of the two widest principal "
    "components of the stored codes, which hold {share} of their variance; in all other "
    "directions it stays at the codes' mean. A dot is the shadow of a code on this plane.": (
        "이 모델의 코드는 숫자 {size}개로 이루어집니다. 지도는 저장된 코드의 가장 큰 두 주성분이 "
        "이루는 평면이며, 두 주성분은 코드 분산의 {share}를 설명합니다. 나머지 방향은 모두 코드의 "
        "평균에 고정합니다. 점은 코드를 이 평면에 사영한 것입니다."
    ),
    "Codes of this model have {size} numbers. The map is the plane through the middle of the "
    "prior and images {image} and {next} of seed {seed}. The rings hold 50%, 90% and 99% of the "
    "prior's draws by their norm: in so many dimensions nearly all lie close to the rings, and "
    "almost none in the middle.": (
        "이 모델의 코드는 숫자 {size}개로 이루어집니다. 지도는 사전 분포의 중심과 시드 {seed}의 "
        "이미지 {image}, {next}의 코드를 지나는 평면입니다. 고리는 사전 분포에서 뽑은 코드를 "
        "노름(norm) 기준으로 50%, 90%, 99% 담습니다. 차원이 이렇게 높으면 거의 모든 코드가 고리 "
        "가까이에 놓이고 중심에는 거의 없습니다."
    ),
    "The rings hold 50%, 90% and 99% of the draws of the model's own prior, {prior}.": (
        "고리는 이 모델의 사전 분포인 {prior}에서 뽑은 코드를 각각 50%, 90%, 99% 담습니다."
    ),
    "a fitted Gaussian": "학습 데이터의 코드에 맞춘 가우스 분포",
    "The {count} dots are codes of test images.": "점 {count}개는 시험 이미지의 코드입니다.",
    "The {count} dots are codes of test images, each drawn from its posterior.": (
        "점 {count}개는 시험 이미지의 코드로, 각 이미지의 사후 분포에서 하나씩 뽑은 것입니다."
    ),
    "A GAN has no codes: its generator learned from noise alone, and no encoder gives an image a "
    "place here. The map shows what every place decodes to.": (
        "GAN에는 코드가 없습니다. 생성자는 노이즈만으로 학습했고, 이미지를 이 지도 위에 놓아 줄 "
        "인코더도 없습니다. 지도는 각 위치를 디코딩한 결과만 보여 줍니다."
    ),
    "What the chosen point decodes to": "고른 점을 디코딩한 이미지",
    "The nearest code": "가장 가까운 코드",
    "The nearest code: {name}": "가장 가까운 코드: {name}",
    "What the nearest stored code decodes to": "가장 가까운 저장된 코드를 디코딩한 이미지",
    "In a hole: the nearest code is {distance} standard deviations away, and 95% of the codes "
    "have a neighbour within {limit}. Hardly any image is encoded here.": (
        "구멍 안입니다. 가장 가까운 코드가 표준편차의 {distance}배만큼 떨어져 있는데, 코드의 95%는 "
        "{limit}배 안에 이웃이 있습니다. 이곳으로 부호화되는 이미지는 거의 없습니다."
    ),
    "Among the codes: the nearest is {distance} standard deviations away. Holes begin at {limit}, "
    "within which 95% of the codes have a neighbour.": (
        "코드들 사이입니다. 가장 가까운 코드가 표준편차의 {distance}배만큼 떨어져 있습니다. 구멍은 "
        "{limit}배부터 시작하며, 코드의 95%는 그 안에 이웃이 있습니다."
    ),
    # Morph
    "Morph": "모핑",
    "From one image to another": "한 이미지에서 다른 이미지로",
    "From": "시작",
    "To": "끝",
    "Image": "이미지",
    "Path": "경로",
    "Linear goes straight from code to code; spherical turns about the origin and keeps the "
    "length.": (
        "linear(선형)는 두 코드 사이를 곧게 지나고, spherical(구면)은 원점을 중심으로 돌며 길이를 "
        "유지합니다."
    ),
    "Steps": "단계 수",
    "There and back": "갔다가 돌아오기",
    "The way from {start} to {end}, in {steps} steps": (
        "{start}에서 {end}까지 {steps}단계로 가는 길"
    ),
    "image {image} of seed {seed}": "시드 {seed}의 이미지 {image}",
    "your own picture": "내 그림",
    "The same way as a film": "같은 길을 보여 주는 움직이는 그림",
    "Download GIF": "GIF 내려받기",
    "Download WebP": "WebP 내려받기",
    "step": "단계",
    "distance from the mean": "평균에서의 거리",
    "90% of the prior's draws": "사전 분포에서 뽑은 코드의 90%",
    "in a hole": "구멍 안",
    "How far from the prior's mean each step lies, linear and spherical": (
        "선형과 구면 경로의 각 단계가 사전 분포의 평균에서 떨어진 거리"
    ),
    "90% of the prior's draws are between {low} and {high} away from its mean. The straight line "
    "comes as near as {nearest}: it cuts through the middle, where the prior almost never "
    "draws.": (
        "사전 분포에서 뽑은 코드의 90%는 평균에서 {low}에서 {high} 사이만큼 떨어져 있습니다. "
        "직선은 {nearest}까지 다가가, 사전 분포가 거의 뽑지 않는 한가운데를 가로지릅니다."
    ),
    "90% of the prior's draws are between {low} and {high} away from its mean. The straight line "
    "comes no nearer than {nearest}, so it does not leave them there.": (
        "사전 분포에서 뽑은 코드의 90%는 평균에서 {low}에서 {high} 사이만큼 떨어져 있습니다. "
        "직선도 {nearest}보다 가까워지지 않으므로 그곳에서 벗어나지 않습니다."
    ),
    "Distances are in standard deviations of the model's own prior, a fitted Gaussian. The arc "
    "turns about the origin, which is not this prior's mean.": (
        "거리는 이 모델의 사전 분포(학습 데이터의 코드에 맞춘 가우스 분포)의 표준편차 단위입니다. "
        "구면 경로는 원점을 중심으로 도는데, 원점은 이 사전 분포의 평균이 아닙니다."
    ),
    "In holes, far from every stored code: steps {steps}.": (
        "저장된 어느 코드에서도 먼 구멍 안에 있는 단계: {steps}."
    ),
    "No step lies in a hole.": "구멍 안에 있는 단계는 없습니다.",
    "A GAN has no codes, so nothing tells which steps lie in holes.": (
        "GAN에는 코드가 없으므로 어느 단계가 구멍 안에 있는지 알 수 없습니다."
    ),
    # Reconstruct
    "Reconstruct": "재구성",
    "Through encoder and decoder": "부호화하고 다시 그리기",
    "A GAN has no encoder: its generator was trained from noise alone, so no image has a "
    "code. Choose an AE or a VAE.": (
        "GAN에는 인코더가 없습니다. 생성자는 잡음만으로 학습되었으므로 어떤 이미지에도 "
        "코드가 없습니다. AE나 VAE를 고르세요."
    ),
    "Choose a picture on the left.": "왼쪽에서 그림을 고르세요.",
    "A sample of a bundle": "번들이 그린 샘플",
    "Your own picture": "내 그림",
    "The image": "이미지 고르기",
    "A picture: PNG, JPEG, WebP, GIF or BMP, at most 5 MB": (
        "그림: PNG, JPEG, WebP, GIF, BMP, 최대 5 MB"
    ),
    "Exchange black and white": "흑백 뒤집기",
    "Digits were learned white on black: exchange the two for ink on paper.": (
        "숫자는 검은 바탕에 흰 글씨로 학습되었습니다. 종이에 쓴 글씨라면 흑백을 뒤집으세요."
    ),
    "Drawn by": "그린 모델",
    "Reconstruction": "재구성 결과",
    "Difference": "차이",
    "Vermilion is lighter in the reconstruction, blue is darker. RMSE per pixel: {error}.": (
        "주홍색은 재구성에서 더 밝은 곳, 파란색은 더 어두운 곳입니다. 화소당 RMSE: {error}."
    ),
    "Nudge the code": "코드를 조금씩 움직이기",
    "Along the directions in which the codes of test images spread most, in standard deviations.": (
        "시험 이미지의 코드가 가장 넓게 퍼진 방향들을 따라, 표준편차 단위로 움직입니다."
    ),
    "Direction {number}": "방향 {number}",
    "Back to the image's own code": "원래 코드로 되돌리기",
    "What the nudged code decodes to": "움직인 코드의 디코딩 결과",
    "A VAE encodes to a distribution": "VAE는 분포로 부호화합니다",
    "number of the code": "코드의 몇 번째 숫자",
    "Mean and standard deviation of every number of the code": (
        "코드를 이루는 숫자마다의 평균과 표준편차"
    ),
    "Reconstructions from {count} draws of that distribution": (
        "그 분포에서 {count}번 뽑아 재구성한 결과"
    ),
    # Compare
    "Compare": "비교",
    "One data set, three models": "데이터셋 하나, 모델 셋",
    "Data set: {name}. Click in any map; all three follow.": (
        "데이터셋: {name}. 어느 지도든 누르면 세 지도가 함께 움직입니다."
    ),
    "0, 0 is the middle of each model's own prior; 1 lies on its innermost ring.": (
        "0, 0은 각 모델의 사전 분포의 중심이고, 1은 가장 안쪽 고리 위입니다."
    ),
    "Cursor, across": "커서, 가로",
    "Cursor, up": "커서, 세로",
    "Latent map of {origin}": "{origin}의 잠재 공간 지도",
    "What the {family} decodes at the cursor": "{family}가 커서 위치를 디코딩한 이미지",
    "Samples of {origin}, seed {seed}": "{origin}의 샘플, 시드 {seed}",
    "A GAN has no codes, and so no holes between them.": (
        "GAN에는 코드가 없으므로 코드 사이의 구멍도 없습니다."
    ),
    "**In a hole**: no image is encoded near here.": (
        "**구멍 안**: 이 근처로 부호화되는 이미지가 없습니다."
    ),
    "**Among the codes** of test images.": "시험 이미지의 **코드들 사이**입니다.",
    "No model of this family has learned these images. Train one and export it:": (
        "이 데이터를 학습한 이 종류의 모델이 없습니다. 학습시킨 뒤 내보내세요:"
    ),
    "Nothing but the reconstruction error shapes this space, and nothing asks codes to lie "
    "around 0, equally wide or side by side. So it is uneven, off-centre, empty where the "
    "decoder was never asked to draw anything, and broken: across a gap the image leaps.": (
        "이 공간을 만드는 것은 재구성 오차뿐이며, 코드가 0을 중심으로 고른 폭으로 빈틈없이 "
        "놓이도록 요구하는 것은 없습니다. 그래서 클래스마다 폭이 고르지 않고(불균등), 중심에서 "
        "벗어나며, 디코더가 한 번도 그려 본 적 없는 빈 곳이 있고, 그 틈을 건널 때 이미지가 "
        "갑자기 바뀝니다(불연속)."
    ),
    "Each image is encoded to a distribution, and the KL divergence pulls all of them "
    "towards N(0, I). Loss = reconstruction error + KL divergence: the gaps close, and "
    "neighbours decode alike. How far, and at what price in sharpness, the numbers below tell.": (
        "이미지마다 분포로 부호화하고, KL 발산이 그 분포들을 N(0, I) 쪽으로 당깁니다. 손실 = "
        "재구성 오차 + KL 발산: 빈틈이 메워지고, 이웃한 코드는 비슷하게 디코딩됩니다. 실제로 "
        "얼마나 그러한지, 그 대가로 선명함을 얼마나 잃는지는 아래의 숫자가 보여 줍니다."
    ),
    "No encoder: the generator turns N(0, I) noise into images that its adversary, the "
    "discriminator, takes for real ones. The two have their own costs and are updated in "
    "turn, the other's weights fixed.": (
        "인코더가 없습니다. 생성자는 N(0, I) 노이즈를 받아, 상대인 판별자가 진짜로 여길 "
        "이미지를 만듭니다. 둘은 저마다의 비용 함수를 갖고, 상대의 가중치를 고정한 채 번갈아 "
        "갱신됩니다."
    ),
    "Uneven": "불균등",
    "Off-centre": "중심에서 벗어남",
    "Empty": "빈 곳",
    "Discontinuous": "불연속",
    "How differently wide the classes lie; 1 when all are equally wide.": (
        "클래스들의 퍼진 폭이 서로 얼마나 다른지를 나타냅니다. 모두 같으면 1입니다."
    ),
    "How far the codes' middle is from 0; 0 when they lie around it.": (
        "코드의 중심이 0에서 얼마나 먼지를 나타냅니다. 0을 둘러싸고 있으면 0입니다."
    ),
    "Share of the prior's draws that land far from every code; N(0, I) itself has about 5%.": (
        "사전 분포에서 뽑은 것 가운데 어느 코드에서도 먼 곳에 떨어지는 비율입니다. N(0, I) "
        "자신은 약 5%입니다."
    ),
    "The largest step of an image on the way from one code to another, in median steps; "
    "1 when it changes evenly.": (
        "한 코드에서 다른 코드로 갈 때 이미지가 가장 크게 변하는 걸음을 중간 걸음으로 나눈 "
        "값입니다. 고르게 변하면 1입니다."
    ),
    "Neither an AE nor a VAE with latent health is here.": (
        "잠재 공간의 건강이 측정된 AE나 VAE가 없습니다."
    ),
    "The lecture's four limits as numbers, the lower the better: value (dot) with its 95% "
    "interval (line), before what N(0, I) draws give (grey). An AE is held against the "
    "Gaussian of its own codes, from which it is sampled. A GAN has no codes to measure.": (
        "강의에서 말하는 네 가지 한계를 숫자로 나타냈습니다. 낮을수록 좋습니다. 점은 값, "
        "선은 95% 구간, 회색은 N(0, I)에서 뽑았을 때의 범위입니다. AE는 자기 코드의 가우스 "
        "분포에서 샘플을 뽑으므로 그 분포와 견줍니다. GAN에는 측정할 코드가 없습니다."
    ),
    "One of the two was not measured.": "둘 중 하나는 측정되지 않았습니다.",
    "**The {family} is better**; the intervals lie apart.": (
        "**{family}가 낫습니다.** 두 구간이 겹치지 않습니다."
    ),
    "{family} {value:.3g} ({low:.3g} to {high:.3g}), N(0, I) {floor:.3g} to {ceiling:.3g}": (
        "{family} {value:.3g} ({low:.3g}~{high:.3g}), N(0, I) {floor:.3g}~{ceiling:.3g}"
    ),
    "**No winner**: the intervals overlap.": "**승부 없음**: 두 구간이 겹칩니다.",
    "Value and 95% interval over images: another training would differ too. Floor: what "
    "real images score. Best: the model whose interval lies apart from all others'. The "
    "page Model card has the protocol of each.": (
        "값과, 이미지에 대한 95% 구간입니다. 다시 학습하면 값이 달라질 수도 있습니다. 바닥값은 "
        "진짜 이미지의 점수이고, 최고는 구간이 다른 모든 모델과 겹치지 않는 모델입니다. 측정 "
        "방법은 모델 카드 페이지에 있습니다."
    ),
    "How often best, of {count} scores that can be compared: {each}.": (
        "비교할 수 있는 점수 {count}개 가운데 최고인 횟수: {each}."
    ),
    "best": "최고",
    "no winner": "승부 없음",
    "measured differently": "측정 방법이 다름",
    "what it says": "뜻",
    "How probable the model finds test images; higher is better.": (
        "모델이 시험 이미지를 얼마나 그럴듯하게 보는지를 나타냅니다. 높을수록 좋습니다."
    ),
    "The bound on the log-likelihood that a VAE maximizes; higher is better.": (
        "VAE가 최대화하는 로그 가능도의 하한입니다. 높을수록 좋습니다."
    ),
    "The ELBO's first half: how well an image is drawn again from its code.": (
        "ELBO의 앞부분: 코드로부터 이미지를 얼마나 잘 다시 그리는지를 나타냅니다."
    ),
    "The ELBO's second half: how far posteriors are from N(0, I).": (
        "ELBO의 뒷부분: 사후 분포가 N(0, I)에서 얼마나 먼지를 나타냅니다."
    ),
    "Error of a reconstruction, on the images' scale of 0 to 1; lower is better.": (
        "재구성의 오차로, 이미지의 눈금은 0에서 1입니다. 낮을수록 좋습니다."
    ),
    "Squared error of a reconstruction; lower is better.": (
        "재구성의 제곱 오차입니다. 낮을수록 좋습니다."
    ),
    "Likeness of image and reconstruction in structure; 1 is equal.": (
        "이미지와 재구성의 구조가 닮은 정도입니다. 같으면 1입니다."
    ),
    "Distance of samples from test images in a classifier's features; lower is better.": (
        "분류기의 특징 공간에서 샘플과 시험 이미지 사이의 거리입니다. 낮을수록 좋습니다."
    ),
    "The same question asked with a kernel; lower is better.": (
        "같은 것을 커널로 잰 값입니다. 낮을수록 좋습니다."
    ),
    "Share of samples that look like real images.": "진짜 이미지처럼 보이는 샘플의 비율입니다.",
    "Share of real images that samples come near to.": (
        "샘플이 가까이 다가간 진짜 이미지의 비율입니다."
    ),
    "How densely real images lie around the samples; 1 is as among real ones.": (
        "샘플 둘레에 진짜 이미지가 얼마나 빽빽한지를 나타냅니다. 진짜 이미지끼리는 1입니다."
    ),
    "Share of real images that have a sample nearby.": (
        "가까이에 샘플이 있는 진짜 이미지의 비율입니다."
    ),
    "Distance to the nearest training image; below the floor, the model has memorized.": (
        "가장 가까운 학습 이미지까지의 거리입니다. 바닥값보다 작으면 모델이 외운 것입니다."
    ),
    "Share of samples that are suspiciously near to a training image.": (
        "학습 이미지에 지나치게 가까운 샘플의 비율입니다."
    ),
    "How undecided a classifier is about the images; lower is clearer.": (
        "분류기가 이미지를 두고 망설이는 정도입니다. 낮을수록 또렷합니다."
    ),
    "Share of images whose class a classifier cannot tell.": (
        "분류기가 클래스를 알아보지 못하는 이미지의 비율입니다."
    ),
    "How often a class is drawn; a collapsed model leaves some out.": (
        "한 클래스가 그려지는 비율입니다. 붕괴한 모델은 일부 클래스를 빠뜨립니다."
    ),
    "How often a conditional model draws what was asked for.": (
        "조건부 모델이 요청받은 클래스를 그리는 비율입니다."
    ),
    # Training
    "Training": "학습 과정",
    "How it was trained": "어떻게 학습되었는가",
    "Reconstruction error": "재구성 오차",
    "KL divergence": "KL 발산 (쿨백-라이블러 발산)",
    "Two losses": "두 손실",
    "How real the discriminator finds an image": "판별자가 보는 이미지의 진짜 같은 정도",
    "How different the samples are": "샘플들의 서로 다른 정도",
    "training": "학습",
    "validation": "검증",
    "discriminator": "판별자",
    "generator": "생성자",
    "real images": "진짜 이미지",
    "generated images": "생성된 이미지",
    "samples": "샘플",
    "epoch": "에포크",
    "What the AE minimizes, and all of it: nothing asks its codes to lie anywhere.": (
        "AE가 최소화하는 것은 이것뿐입니다. 코드가 어디에 놓여야 하는지는 "
        "아무것도 요구하지 않습니다."
    ),
    "The first half of the VAE's loss: how badly an image is drawn again from its code.": (
        "VAE 손실의 앞부분: 코드로부터 이미지를 다시 그릴 때의 오차입니다."
    ),
    "The second half: how far the codes' distributions are from N(0, I). The two halves pull "
    "against each other.": (
        "손실의 뒷부분: 코드의 분포가 N(0, I)에서 얼마나 먼지를 나타냅니다. "
        "두 부분은 서로 반대 방향으로 당깁니다."
    ),
    "Neither falls to zero: each is the other's opponent, and they are updated in turn.": (
        "어느 쪽도 0이 되지 않습니다. 서로가 서로의 상대이며 번갈아 갱신됩니다."
    ),
    "At 0.5 for both it cannot tell them apart; at 1 and 0 it has won, and the generator "
    "learns nothing more.": (
        "둘 다 0.5이면 구별하지 못하는 것이고, 1과 0이면 판별자가 이겨서 "
        "생성자는 더 배우지 못합니다."
    ),
    "Mean distance between two samples, 1 being that of two training images. Near 0 all samples "
    "are the same.": (
        "두 샘플 사이의 평균 거리로, 1은 학습 이미지 둘 사이의 거리입니다. "
        "0에 가까우면 모든 샘플이 같습니다."
    ),
    "What it drew": "모델이 그린 것",
    "This model was exported without the sample grids of its epochs.": (
        "이 모델은 에포크별 샘플 없이 내보내졌습니다."
    ),
    "After epoch": "에포크",
    "Samples after epoch {epoch}": "에포크 {epoch} 후의 샘플",
    "The same codes after every epoch.": "에포크마다 같은 코드를 디코딩합니다.",
    "The doctor's remarks": "의사의 소견",
    "**{name}** since epoch {epoch}: {seen}": "**{name}**, 에포크 {epoch}부터: {seen}",
    "Cause: {cause}": "원인: {cause}",
    "Remedy: train anew with {remedy}": "처방: 다음 설정으로 다시 학습: {remedy}",
    "Nothing to remark: the training shows none of the six illnesses.": (
        "소견 없음: 여섯 가지 이상 징후가 하나도 보이지 않습니다."
    ),
    "Settings of the training": "학습 설정",
    "{epochs} epochs, the weights after the last": "{epochs}에포크 학습, 마지막 에포크의 가중치",
    "{epochs} epochs, the weights of the best one, {best}": (
        "{epochs}에포크 학습, 가장 좋은 {best}번째 에포크의 가중치"
    ),
    "{name} {first:.4g} after epoch {start}, {last:.4g} after epoch {end}": (
        "{name}: 에포크 {start} 후 {first:.4g}, 에포크 {end} 후 {last:.4g}"
    ),
    # Model card
    "Model card": "모델 카드",
    "Scores": "점수",
    "score": "점수",
    "value": "값",
    "95% interval": "95% 구간",
    "floor": "바닥값",
    "Not measured. `python -m gensuite.evaluate RUN` before the export puts scores on the card.": (
        "측정되지 않았습니다. 내보내기 전에 `python -m gensuite.evaluate RUN`을 실행하면 "
        "카드에 점수가 실립니다."
    ),
    "Not measured: {what}: {why}": "측정되지 않음: {what}: {why}",
    "How they were measured": "측정 방법",
    "The floor is what real training images get against real test images.": (
        "바닥값은 진짜 학습 이미지를 진짜 시험 이미지와 비교했을 때의 값입니다."
    ),
    "Latent health": "잠재 공간의 건강",
    "Not available: a GAN has no codes, and some data sets have too few.": (
        "없음: GAN에는 코드가 없고, 어떤 데이터셋은 코드가 너무 적습니다."
    ),
    "Proof": "증명",
    "Largest difference of each output between Keras and what was exported, by the export:": (
        "내보낼 때 측정한, Keras와 내보낸 모델의 출력별 최대 차이:"
    ),
    "output": "출력",
    "difference here": "여기서의 차이",
    "allowed": "허용치",
    "Verify now": "지금 검증하기",
    "Running the golden inputs…": "기준 입력을 실행하는 중…",
    "Verified: {count} files have the manifest's hashes, and this server makes the "
    "golden outputs again.": (
        "검증되었습니다: 파일 {count}개의 해시가 매니페스트와 같고, 이 서버가 기준 출력을 "
        "다시 만들어 냅니다."
    ),
    "The bundle's own preview: images drawn from it": (
        "번들에 들어 있는 미리보기: 이 모델이 그린 이미지"
    ),
    "Facts": "사실",
    "fact": "항목",
    "setting": "설정",
    "family": "모델 종류",
    "latent size": "잠재 차원",
    "image": "이미지",
    "prior": "사전 분포",
    "classes": "클래스",
    "data set": "데이터셋",
    "images": "이미지 수",
    "preparation": "전처리",
    "licence of the data": "데이터의 라이선스",
    "seed": "시드",
    "tools": "도구",
    "Files and ports": "파일과 포트",
    "file": "파일",
    "bytes": "바이트",
    "Use it in your own app": "내 앱에서 쓰기",
}
